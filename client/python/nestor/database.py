"""Database and Collection: nested vectors on disk, searched in this process."""

from __future__ import annotations

import json
import os
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

from . import _core
from .datastore import Datastore


class Collection:
    """Vectors of one length with ids (unsigned integers or UUID text), payloads and tokens. Thread-safe."""

    def __init__(self, core: _core.Collection) -> None:
        self._core = core

    @property
    def name(self) -> str:
        return self._core.name

    def __len__(self) -> int:
        return len(self._core)

    def upsert(self, ids: Sequence[Any], vectors: Any, values: Any = None,
               payloads: Iterable[Mapping[str, Any] | None] | None = None) -> int:
        """Writes all points or none; durable when it returns. `values` are kNN-LM tokens. Gives the sequence number."""
        if values is not None and payloads is None:
            payloads = [{"token": int(value)} for value in values]
        texts = None if payloads is None else ["" if p is None else json.dumps(p) for p in payloads]
        return self._core.upsert(list(ids), np.atleast_2d(vectors), values, texts)

    def erase(self, ids: Sequence[Any]) -> int:
        return self._core.erase(list(ids))

    def search(self, queries: Any, k: int = 10, *, threads: int = 0, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """(D, I) [count x k] as Faiss gives them: squared distances for l2, products for dot and cosine; -1 pads.

        options: exact, width, ef, distance_gap, stages=[(width, shortlist), ...].
        """
        return self._core.search(queries, {"k": k, **options}, threads)

    def query(self, vector: Any, k: int = 10, **options: Any) -> dict[str, Any]:
        """One query with everything known of its hits, and the report of its stages with explain=True."""
        return self._core.query(vector, {"k": k, **options})

    def get(self, id: Any) -> dict[str, Any] | None:
        """Vector, payload and token of a point; None where there is none."""
        record = self._core.get(id)
        if record is not None:
            record["payload"] = json.loads(record["payload"]) if record["payload"] else {}
        return record

    def build(self, threads: int = 0, deterministic: bool = False) -> dict[str, Any]:
        """Builds the graphs over all rows; searches and writes go on meanwhile."""
        return self._core.build(threads, deterministic)

    def info(self) -> dict[str, Any]:
        return self._core.info()


class Database:
    """A directory of collections; one process at a time holds it."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, background_builds: bool = True,
                 build_threads: int = 0) -> None:
        self._core: Any = _core.Database(os.fspath(path), create, background_builds, build_threads)

    def close(self) -> None:
        """Lets go of the directory, once its collections are gone as well."""
        self._core = None

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def names(self) -> list[str]:
        return self._core.names()

    def __contains__(self, name: str) -> bool:
        return self._core.contains(name)

    def damaged(self) -> list[tuple[str, str]]:
        """(name, reason) of collections that could not be opened; the others are served."""
        return self._core.damaged()

    def create(self, name: str, dim: int, *, metric: str = "cosine", dtype: str = "float32",
               attributes: Mapping[str, Any] | None = None, **options: Any) -> Collection:
        """options: widths, graphs, rotation ("none", "pca"), max_links, candidates_at_build, seed, exact_below."""
        chosen = {"dim": dim, "metric": metric, "dtype": dtype, **options}
        return Collection(self._core.create(name, chosen, json.dumps(attributes or {})))

    def collection(self, name: str) -> Collection:
        return Collection(self._core.collection(name))

    def attributes(self, name: str) -> dict[str, Any]:
        return json.loads(self._core.attributes(name) or "{}")

    def delete(self, name: str) -> bool:
        return self._core.delete(name)

    def create_datastore(self, name: str, dim: int, *, metric: str = "l2", dtype: str = "float16",
                         weights: bool = False, **options: Any) -> Datastore:
        """A datastore for kNN-LM keys; float16, as language models dump them. weights: rows carry weights that vote."""
        made = self.create(name, dim, metric=metric, dtype=dtype, attributes={"datastore": {"weights": weights}},
                           **options)
        return Datastore(made, weights=weights)

    def datastore(self, name: str) -> Datastore:
        """An existing collection as a datastore; weights vote where it was made for them."""
        kept = self.attributes(name).get("datastore", {})
        return Datastore(self.collection(name), weights=bool(kept.get("weights", False)))
