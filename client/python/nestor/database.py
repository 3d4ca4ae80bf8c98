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

        options: exact, width, ef, distance_gap, stages=[(width, shortlist), ...], exact_distances (False: ranked by
        codes, distances carry their rounding); or, after calibrate(), target_recall or max_latency_ms, with encoder
        where certificates name one. query() says whether an answer is certified.
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

    def calibrate(self, queries: Any = None, recall: float | Sequence[float] = 0.95, *, k: int = 10,
                  confidence: float = 0.95, tail: float | None = None, share: float = 0.05,
                  total_variation: float | None = None, temperature: float = 1.0, test: str = "betting",
                  expected: bool = False, second_look: bool = True, encoder: str = "", rows: int = 2000, seed: int = 42,
                  threads: int = 0, dry_run: bool = False) -> dict[str, Any]:
        """Certifies the cheapest policy for each recall and keeps the certificates (docs/certified-search.md).

        queries [count x dim] are like those to come; without any, `rows` rows of the collection stand in. Instead of
        the mean recall: tail and share (at most this share of queries falls below that recall), or total_variation
        of the kNN-LM distribution at a temperature.
        """
        if tail is not None:
            loss, parameter, epsilons = "tail-recall", tail, [share]
        elif total_variation is not None:
            loss, parameter, epsilons = "total-variation", temperature, [total_variation]
        else:
            loss, parameter, epsilons = "recall", 0.0, [1 - r for r in np.atleast_1d(recall)]
        options = {"k": k, "confidence": confidence, "loss": loss, "loss_parameter": parameter, "epsilons": epsilons,
                   "test": test, "expected": expected, "second_look": second_look, "encoder": encoder, "rows": rows,
                   "seed": seed, "threads": threads}
        return _core.calibrate(self._core, queries, options, not dry_run)

    def certificates(self) -> list[dict[str, Any]]:
        """All of them; in_force says whether one holds today, why_not why it does not."""
        return _core.certificates(self._core)

    def drop_certificates(self) -> int:
        return _core.drop_certificates(self._core)

    def tune(self, queries: Any = None, recall: float = 0.99, *, latency_ms: float | None = None, k: int = 10,
             dry_run: bool = False) -> dict[str, Any]:
        """Chooses the depth of searches that say nothing about it: a choice on half of the queries, no promise."""
        return _core.tune(self._core, queries, recall, latency_ms, k, not dry_run)


class Database:
    """A directory of collections; one process at a time holds it.

    resident: what is copied to memory. "codes": links and all codes; "walk": links and what walks read, the rest stays
    in the mapped file.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, background_builds: bool = True,
                 build_threads: int = 0, resident: str = "codes") -> None:
        self._core: Any = _core.Database(os.fspath(path), create, background_builds, build_threads, resident)

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
        """options: widths, graphs, rotation ("none", "pca"), walk_codes ("auto", "whole", "leading_bits"), max_links,
        candidates_at_build, seed, exact_below."""
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
