"""Datastore: (key, next token) rows in corpus order, and the queries of kNN-LM over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

import numpy as np

from . import _core
from .distributions import Distributions

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
        self.weights = weights
        self._core = _core.Datastore(collection._core)

    @property
    def dim(self) -> int:
        return self.collection.info()["dim"]

    def __len__(self) -> int:
        return len(self.collection)

    def append(self, keys: Any, values: Any = None, weights: Any = None, doc_ids: Any = None) -> int:
        """Adds rows behind those that are there, durable when it returns; no size is needed up front.

        Gives the id of the first one. values are the tokens that followed the keys.
        """
        return self._core.append(keys, _unsigned(values, np.uint32, "values"), weights,
                                 _unsigned(doc_ids, np.uint64, "doc_ids"))

    def build(self, threads: int = 0, deterministic: bool = False) -> dict[str, Any]:
        """Builds the graphs; until then, and for rows appended since, search compares with every row."""
        return self.collection.build(threads, deterministic)

    def search(self, queries: Any, k: int = 1024, *, threads: int = 0, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """(D, I), each [count x k], nearest first; fewer are padded with -1 and the worst possible distance."""
        return self._core.search(queries, {"k": k, **options}, threads)

    def lookup(self, queries: Any, k: int = 1024, temp: float = 1.0, *, topm: int | None = None, eta: float = 0.0,
               threads: int = 0, **options: Any) -> Distributions:
        """p_kNN of each query: p(y) proportional to the sum of exp(-d / temp) over its k neighbours with token y.

        topm keeps the best tokens only. eta > 0 asks for fewer than k neighbours where those left out cannot move the
        distribution by more than eta in total variation.
        """
        asked = {"k": k, "temperature": temp, "top": topm or 0, "eta": eta, "weights": self.weights, **options}
        return Distributions(**self._core.lookup(queries, asked, threads))

    knn_logprobs = lookup

    def score(self, queries: Any, targets: Any, lm_logp: Any, lam: Any = 0.25, k: int = 1024, temp: float = 1.0, *,
              details: bool = False, eta: float = 0.0, threads: int = 0, **options: Any) -> Any:
        """log(lam p_kNN(target) + (1 - lam) p_LM(target)) of each query: what perplexity needs.

        lam is one number or one per query; a query whose lam is 0 is not searched. details=True gives a dict with
        knn_log_probabilities, neighbours, searched and bounds as well.
        """
        asked = {"k": k, "temperature": temp, "eta": eta, "weights": self.weights, **options}
        result = self._core.score(queries, _unsigned(targets, np.uint32, "targets"),
                                  np.asarray(lm_logp, dtype=np.float32),
                                  np.atleast_1d(np.asarray(lam, dtype=np.float32)), asked, threads)
        return result if details else result["log_probabilities"]

    def distances(self, queries: Any, ids: Any) -> np.ndarray:
        """To known rows: one query and ids [n], or queries [count x dim] and ids [count x n]. Infinite (minus infinite
        for products) where there is no such row."""
        return self._core.distances(queries, _ids(ids))

    def get_vectors(self, ids: Any) -> np.ndarray:
        """[n x dim] float32. Raises NotFound for an unknown id."""
        return self._core.get_vectors(_ids(ids))

    def values(self, ids: Any) -> np.ndarray:
        """The token of each row, -1 where there is none."""
        return self._core.values(_ids(ids))

    def next_ids(self, ids: Any) -> np.ndarray:
        """The row that follows each one, -1 at the end of the datastore or of its document."""
        return self._core.next_ids(_ids(ids))

    def self_join(self, k: int, *, exclude_same_doc: bool = False, first: int = 0, last: int | None = None,
                  block: int = 4096, threads: int = 0, **options: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The k nearest other rows of every row, block by block as (D, I); without those of its own document when
        asked (RETRO's neighbours, Borgeaud et al. 2022)."""
        end = self._core.next_row() if last is None else last
        for start in range(first, end, block):
            yield self._core.self_join(start, min(start + block, end), {"k": k, **options}, exclude_same_doc, threads)

    def merge_weights(self, k: int = 5, *, seed: int = 1, threads: int = 0, **options: Any) -> np.ndarray:
        """Weights of a greedy merge (He et al. 2021, section 4.3): near rows with the same token become one row.

        0 marks the rows merged away; the weights add up to the number of rows.
        """
        rows = self._core.next_row()
        neighbours = np.full((rows, k), -1, dtype=np.int64)
        at = 0
        for _, found in self.self_join(k, threads=threads, **options):
            neighbours[at:at + len(found)] = found
            at += len(found)
        tokens = self.values(np.arange(rows))
        if (tokens < 0).any():
            raise ValueError(f"row {int(np.argmax(tokens < 0))} has no token: a datastore without gaps is needed")
        return _core.greedy_merge(tokens, neighbours, seed)

    def merge_into(self, database: Database, name: str, weights: Any, block: int = 65536, **options: Any) -> Datastore:
        """A new, smaller datastore of the rows with a weight above 0. Pointers do not survive a merge."""
        info = self.collection.info()
        chosen = {key: info[key] for key in ("metric", "dtype", "widths", "rotation")} | options
        merged = database.create_datastore(name, info["dim"], weights=True, **chosen)
        weights = np.asarray(weights)
        kept = np.flatnonzero(weights)
        for start in range(0, len(kept), block):
            part = kept[start:start + block]
            merged.append(self.get_vectors(part), self.values(part), weights[part])
        return merged


def _unsigned(array: Any, dtype: Any, name: str) -> np.ndarray | None:
    if array is None:
        return None
    array = np.asarray(array)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be integers, got {array.dtype}")
    if array.size and (array.min() < 0 or array.max() > np.iinfo(dtype).max - 1):
        raise ValueError(f"{name} must lie in 0..{np.iinfo(dtype).max - 1}, got {array.min()}..{array.max()}")
    return array.astype(dtype, copy=False)


def _ids(ids: Any) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.size == 0:
        return ids.astype(np.uint64)
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids must be integers, got {ids.dtype}")
    return ids.astype(np.uint64)  # -1 becomes an id that nothing has
