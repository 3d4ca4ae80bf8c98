"""Database and Collection: nested vectors on disk, searched in this process."""

from __future__ import annotations

import json
import os
import warnings
import weakref
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

from . import _core, arguments
from .datastore import Datastore
from .errors import FailedPrecondition, InvalidArgument, InvalidType


class Collection:
    """Vectors of one length with ids, payloads and tokens. Thread-safe; closed with its Database.

    Ids are whole numbers of 0..2^64-1 (NumPy's too) or UUIDs (uuid.UUID or its text).
    """

    def __init__(self, core: _core.Collection, database: Database | None = None) -> None:
        self._held: _core.Collection | None = core
        self._database = database
        self._datastores: weakref.WeakSet[Datastore] = weakref.WeakSet()
        self._name = core.name

    @property
    def _core(self) -> _core.Collection:
        if self._held is None:
            raise FailedPrecondition(f"the database of collection {self._name!r} is closed")
        return self._held

    def _close(self) -> None:
        self._held = None
        for datastore in list(self._datastores):
            datastore._close()

    @property
    def name(self) -> str:
        return self._name

    def __len__(self) -> int:
        return len(self._core)

    def __repr__(self) -> str:
        if self._held is None:
            return f"<nestor.Collection {self._name!r}, closed>"
        return f"<nestor.Collection {self._name!r}: {len(self)} points of {self._core.dim} coordinates>"

    def upsert(self, ids: Sequence[Any], vectors: Any, values: Any = None,
               payloads: Iterable[Mapping[str, Any] | None] | None = None) -> int:
        """Writes all points or none; durable when it returns. Gives the sequence number.

        vectors [count x dim]. payloads: one mapping or None per id, of what JSON can say: no NaN, no lone surrogates,
        nested at most 128 deep. values are kNN-LM tokens of 0..2^32-2; each is its payload's field `token` as well.
        """
        names = arguments.point_ids(ids)
        rows = arguments.matrix(vectors, "vectors", self._core.dim, len(names))
        tokens = arguments.unsigned(values, np.uint32, "values")
        if tokens is not None and tokens.shape != (len(names),):
            raise InvalidArgument(f"{tokens.size} values for {len(names)} ids; expected a list, one per id")
        return self._core.upsert(names, rows, tokens, arguments.payload_texts(payloads, tokens, len(names)))

    def erase(self, ids: Sequence[Any]) -> int:
        return self._core.erase(arguments.point_ids(ids))

    def search(self, queries: Any, k: int = 10, *, threads: int = 0, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """(D, I) [count x k] as Faiss gives them: squared distances for l2, products for dot and cosine; -1 pads.

        I is int64, or, where an id of the answer does not fit (from 2^63 on), an array of Python's own integers. Points
        with UUIDs are found by query().

        options: exact, width, ef, distance_gap, stages=[(width, shortlist), ...], exact_distances (False: ranked by
        codes, distances carry their rounding); or, after calibrate(), target_recall or max_latency_ms, with encoder
        where certificates name one. query() says whether an answer is certified.
        """
        return self._core.search(arguments.queries(queries), arguments.search_options({"k": k, **options}),
                                 arguments.threads(threads))

    def query(self, vector: Any, k: int = 10, **options: Any) -> dict[str, Any]:
        """One query with everything known of its hits, and the report of its stages with explain=True."""
        one = arguments.queries(vector, "vector")
        if one.ndim == 2 and len(one) != 1:
            raise InvalidArgument(f"vector must be one query, got the shape {one.shape}; search() takes many")
        return self._core.query(one.reshape(-1), arguments.search_options({"k": k, **options}))

    def get(self, id: Any) -> dict[str, Any] | None:
        """Vector, payload and token of a point; None where there is none.

        The payload is None, with a warning, where an older version stored what is no JSON object.
        """
        record = self._core.get(arguments.point_id(id))
        if record is not None:
            record["payload"] = json.loads(record["payload"]) if record["payload"] else {}
            if record["payload"] is None:
                warnings.warn(f"the stored payload of point {id} in {self._name!r} is not the text of a JSON object; "
                              "write it anew", RuntimeWarning, stacklevel=2)
        return record

    def build(self, threads: int = 0, deterministic: bool = False) -> dict[str, Any]:
        """Builds the graphs over all rows; searches and writes go on meanwhile.

        Ctrl-C ends it with KeyboardInterrupt: rows stay, and the graphs from before serve on.
        """
        return self._core.build(arguments.threads(threads), arguments.flag(deterministic, "deterministic"))

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
            loss, parameter, epsilons = "tail-recall", arguments.number(tail, "tail"), [arguments.number(share, "share")]
        elif total_variation is not None:
            loss, parameter = "total-variation", arguments.number(temperature, "temperature")
            epsilons = [arguments.number(total_variation, "total_variation")]
        else:
            wanted = arguments.floats(recall, "recall", "a number or a list of numbers", np.float64)
            loss, parameter, epsilons = "recall", 0.0, [1 - float(r) for r in wanted.ravel()]
        options = {"k": arguments.whole(k, "k"), "confidence": arguments.number(confidence, "confidence"), "loss": loss,
                   "loss_parameter": parameter, "epsilons": epsilons, "test": arguments.text(test, "test"),
                   "expected": arguments.flag(expected, "expected"),
                   "second_look": arguments.flag(second_look, "second_look"),
                   "encoder": arguments.text(encoder, "encoder"), "rows": arguments.whole(rows, "rows"),
                   "seed": arguments.whole(seed, "seed", 0, 2**64 - 1), "threads": arguments.threads(threads)}
        return _core.calibrate(self._core, None if queries is None else arguments.queries(queries), options,
                               not arguments.flag(dry_run, "dry_run"))

    def certificates(self) -> list[dict[str, Any]]:
        """All of them; in_force says whether one holds today, why_not why it does not."""
        return _core.certificates(self._core)

    def drop_certificates(self) -> int:
        return _core.drop_certificates(self._core)

    def tune(self, queries: Any = None, recall: float = 0.99, *, latency_ms: float | None = None, k: int = 10,
             dry_run: bool = False, best_effort: bool = False) -> dict[str, Any]:
        """Chooses the depth of searches that say nothing about it: a choice on half of the queries, no promise.

        What was wanted may be out of reach: then `reached` is False, there is a warning that names what would help, and
        the choice is kept only with best_effort=True. `stored` says whether it was.
        """
        limit = None if latency_ms is None else arguments.number(latency_ms, "latency_ms")
        keep = not arguments.flag(dry_run, "dry_run")
        report = _core.tune(self._core, None if queries is None else arguments.queries(queries),
                            arguments.number(recall, "recall"), limit, arguments.whole(k, "k"), keep,
                            arguments.flag(best_effort, "best_effort"))
        if not report["reached"]:
            warnings.warn("tune: what was wanted is not reached; " + "; ".join(report["remedies"]), RuntimeWarning,
                          stacklevel=2)
        return report


class Database:
    """A directory of collections; one process at a time holds it.

    resident: what is copied to memory. "codes": links and all codes; "walk": links and what walks read, the rest stays
    in the mapped file.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, background_builds: bool = True,
                 build_threads: int = 0, resident: str = "codes") -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidType(f"path must be a path of the file system, got {arguments.shown(path)}")
        self._held: Any = None
        self._path = os.path.realpath(path)
        self._collections: weakref.WeakSet[Collection] = weakref.WeakSet()
        options = (arguments.flag(create, "create"), arguments.flag(background_builds, "background_builds"),
                   arguments.threads(build_threads, "build_threads"), arguments.text(resident, "resident"))
        try:
            self._held = _core.Database(os.fspath(path), *options)
        except FailedPrecondition as error:
            holders = [database for database in list(_OPEN) if database._held and database._path == self._path]
            if not holders:
                raise
            raise FailedPrecondition(f"{error}; it is held by {', '.join(map(repr, holders))}") from None
        _OPEN.add(self)

    @property
    def _core(self) -> Any:
        if self._held is None:
            raise FailedPrecondition("the database is closed")
        return self._held

    def _hand_out(self, core: _core.Collection) -> Collection:
        collection = Collection(core, self)
        self._collections.add(collection)
        return collection

    def __repr__(self) -> str:
        if self._held is None:
            return f"<nestor.Database {self._path!r}, closed>"
        used = sorted({collection.name for collection in self._collections})
        return f"<nestor.Database {self._path!r}" + (f" with {', '.join(map(repr, used))} in use>" if used else ">")

    def close(self) -> None:
        """Closes the collections that it gave out, waits for a background build, and lets go of the directory."""
        for collection in list(self._collections):
            collection._close()
        self._held = None

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def names(self) -> list[str]:
        return self._core.names()

    def __contains__(self, name: str) -> bool:
        return self._core.contains(arguments.text(name, "name"))

    def damaged(self) -> list[tuple[str, str]]:
        """(name, reason) of collections that could not be opened; the others are served."""
        return self._core.damaged()

    def create(self, name: str, dim: int, *, metric: str = "cosine", dtype: str = "float32",
               attributes: Mapping[str, Any] | None = None, **options: Any) -> Collection:
        """options: widths, graphs, rotation ("none", "pca"), walk_codes ("auto", "whole", "leading_bits"), max_links,
        candidates_at_build, seed, exact_below."""
        chosen = arguments.collection_options({"dim": dim, "metric": metric, "dtype": dtype, **options})
        kept = arguments.json_text({} if attributes is None else attributes, "attributes")
        return self._hand_out(self._core.create(arguments.text(name, "name"), chosen, kept))

    def collection(self, name: str) -> Collection:
        return self._hand_out(self._core.collection(arguments.text(name, "name")))

    def attributes(self, name: str) -> dict[str, Any]:
        return json.loads(self._core.attributes(arguments.text(name, "name")) or "{}")

    def delete(self, name: str) -> bool:
        return self._core.delete(arguments.text(name, "name"))

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


_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()
