"""Datastore: (key, next token) rows in corpus order, and the queries of kNN-LM over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

import numpy as np

from . import _core, arguments
from .distributions import Distributions
from .errors import FailedPrecondition, InvalidArgument, NotFound
from .family import greedy_merge

if TYPE_CHECKING:
    from .database import Collection, Database


class Datastore:
    """Row n is point n, in corpus order: pointers and row numbers stay what they are. Thread-safe; one thread appends.

    Queries are arrays [count x dim] or [dim]. Their options, all by keyword: exact, width, ef, distance_gap, stages,
    exact_distances (False: by codes, see docs/knn-lm.md), entry_ids (a warm start), exclude_doc_id (one document or one
    per query, -1 for none), threads (0: all cores).
    Distances are squared for l2 and products for dot and cosine, as in Faiss.
    """

    def __init__(self, collection: Collection, *, weights: bool = False) -> None:
        self.collection = collection
        self.weights = arguments.flag(weights, "weights")
        self._held: _core.Datastore | None = _core.Datastore(collection._core)
        collection._datastores.add(self)

    @property
    def _core(self) -> _core.Datastore:
        if self._held is None:
            raise FailedPrecondition(f"the database of collection {self.collection.name!r} is closed")
        return self._held

    def _close(self) -> None:
        self._held = None

    @property
    def dim(self) -> int:
        return self.collection._core.dim

    def __len__(self) -> int:
        return len(self.collection)

    def append(self, keys: Any, values: Any = None, weights: Any = None, doc_ids: Any = None) -> int:
        """Adds rows [count x dim] behind those that are there, durable when it returns; no size is needed up front.

        Gives the id of the first one. values are the tokens that followed the keys.
        """
        rows = arguments.matrix(keys, "keys", self.dim)
        columns = {"values": arguments.unsigned(values, np.uint32, "values"),
                   "weights": None if weights is None else arguments.floats(weights, "weights"),
                   "doc_ids": arguments.unsigned(doc_ids, np.uint64, "doc_ids")}
        for name, column in columns.items():
            if column is not None and (column.ndim != 1 or len(column) != len(rows)):
                raise InvalidArgument(f"{column.size} {name} for {len(rows)} keys; expected a list, one per key")
        return self._core.append(rows, *columns.values())

    def build(self, threads: int = 0, deterministic: bool = False) -> dict[str, Any]:
        """Builds the graphs; until then, and for rows appended since, search compares with every row."""
        return self.collection.build(threads, deterministic)

    def search(self, queries: Any, k: int = 1024, *, threads: int = 0, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """(D, I), each [count x k], nearest first; fewer are padded with -1 and the worst possible distance."""
        return self._core.search(arguments.queries(queries), arguments.search_options({"k": k, **options}),
                                 arguments.threads(threads))

    def lookup(self, queries: Any, k: int = 1024, temp: float = 1.0, *, topm: int | None = None, eta: float = 0.0,
               threads: int = 0, **options: Any) -> Distributions:
        """p_kNN of each query: p(y) proportional to the sum of exp(-d / temp) over its k neighbours with token y.

        topm keeps the best tokens only. eta > 0 asks for fewer than k neighbours where those left out cannot move the
        distribution by more than eta in total variation.
        """
        asked = {"k": k, "temperature": arguments.number(temp, "temp"),
                 "top": 0 if topm is None else arguments.whole(topm, "topm"), "eta": eta, "weights": self.weights,
                 **options}
        return Distributions(**self._core.lookup(arguments.queries(queries), arguments.search_options(asked),
                                                 arguments.threads(threads)))

    knn_logprobs = lookup

    def score(self, queries: Any, targets: Any, lm_logp: Any, lam: Any = 0.25, k: int = 1024, temp: float = 1.0, *,
              details: bool = False, eta: float = 0.0, threads: int = 0, **options: Any) -> Any:
        """log(lam p_kNN(target) + (1 - lam) p_LM(target)) of each query: what perplexity needs.

        lam is one number or one per query; a query whose lam is 0 is not searched. details=True gives a dict with
        knn_log_probabilities, neighbours, searched and bounds as well.
        """
        asked = {"k": k, "temperature": arguments.number(temp, "temp"), "eta": eta, "weights": self.weights, **options}
        result = self._core.score(arguments.queries(queries), arguments.unsigned([] if targets is None else targets, np.uint32, "targets").ravel(),
                                  arguments.floats(lm_logp, "lm_logp").ravel(),
                                  arguments.floats(lam, "lam", "a number or one per query").ravel(),
                                  arguments.search_options(asked), arguments.threads(threads))
        return result if details else result["log_probabilities"]

    def distances(self, queries: Any, ids: Any) -> np.ndarray:
        """To known rows: one query and ids [n], or queries [count x dim] and ids [count x n]. Infinite (minus infinite
        for products) where there is no such row."""
        asked = arguments.queries(queries)
        known, none = arguments.rows_of_queries(asked, ids)
        out = self._core.distances(asked, known)
        out[none] = np.inf if self.collection._core.metric == "l2" else -np.inf
        return out

    def get_vectors(self, ids: Any) -> np.ndarray:
        """[n x dim] float32. Raises NotFound for an unknown id."""
        known, none = arguments.row_ids(ids)
        if none.any():
            raise NotFound("there is no point -1")
        return self._core.get_vectors(known)

    def values(self, ids: Any) -> np.ndarray:
        """The token of each row, -1 where there is none."""
        known, none = arguments.row_ids(ids)
        out = self._core.values(known)
        out[none] = -1
        return out

    def next_ids(self, ids: Any) -> np.ndarray:
        """The row that follows each one, -1 at the end of the datastore or of its document."""
        known, none = arguments.row_ids(ids)
        out = self._core.next_ids(known)
        out[none] = -1
        return out

    def self_join(self, k: int, *, exclude_same_doc: bool = False, first: int = 0, last: int | None = None,
                  block: int = 4096, threads: int = 0, **options: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The k nearest other rows of every row, block by block as (D, I); without those of its own document when
        asked (RETRO's neighbours, Borgeaud et al. 2022)."""
        end = self._core.next_row() if last is None else arguments.whole(last, "last", 0, 2**64 - 1)
        asked, workers = arguments.search_options({"k": k, **options}), arguments.threads(threads)
        same = arguments.flag(exclude_same_doc, "exclude_same_doc")
        steps = range(arguments.whole(first, "first", 0, 2**64 - 1), end, arguments.whole(block, "block", 1))
        return (self._core.self_join(start, min(start + steps.step, end), asked, same, workers) for start in steps)

    def merge_weights(self, k: int = 5, *, seed: int = 1, threads: int = 0, **options: Any) -> np.ndarray:
        """Weights of a greedy merge (He et al. 2021, section 4.3): near rows with the same token become one row.

        0 marks the rows merged away; the weights add up to the number of rows.
        """
        rows, k = self._core.next_row(), arguments.whole(k, "k", 1)
        neighbours = np.full((rows, k), -1, dtype=np.int64)
        at = 0
        for _, found in self.self_join(k, threads=threads, **options):
            neighbours[at:at + len(found)] = found
            at += len(found)
        tokens = self.values(np.arange(rows))
        if (tokens < 0).any():
            raise ValueError(f"row {int(np.argmax(tokens < 0))} has no token: a datastore without gaps is needed")
        return greedy_merge(tokens, neighbours, seed)

    def merge_into(self, database: Database, name: str, weights: Any, block: int = 65536, **options: Any) -> Datastore:
        """A new, smaller datastore of the rows with a weight above 0. Pointers do not survive a merge."""
        info = self.collection.info()
        chosen = {key: info[key] for key in ("metric", "dtype", "widths", "rotation")} | options
        merged = database.create_datastore(name, info["dim"], weights=True, **chosen)
        weights = arguments.floats(weights, "weights")
        kept = np.flatnonzero(weights)
        for start in range(0, len(kept), block):
            part = kept[start:start + block]
            merged.append(self.get_vectors(part), self.values(part), weights[part])
        return merged

