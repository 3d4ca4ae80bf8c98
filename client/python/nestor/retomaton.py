"""RetoMaton (Alon et al. 2022, "Neuro-Symbolic Language Modeling with Automaton-augmented Retrieval").

A datastore in corpus order is an automaton: after row i comes row i + 1. When the token that was read is the token of
a neighbour, the row after that neighbour is a likely neighbour of the next query, so most searches can be replaced by
distances to a few known rows. Clusters of near rows widen the pointers: whoever shares a state follows together.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Clusters:
    """Which cluster each row is in, and the members of each, as compressed rows."""

    def __init__(self, of_row: Any) -> None:
        self.of_row = np.asarray(of_row, dtype=np.int64)
        count = int(self.of_row.max()) + 1 if len(self.of_row) else 0
        self.members = np.argsort(self.of_row, kind="stable")
        self.indptr = np.searchsorted(self.of_row[self.members], np.arange(count + 1))

    @classmethod
    def greedy(cls, neighbours: Any, size: int = 32) -> Clusters:
        """Each unclaimed row claims its unclaimed neighbours, up to `size`: small clusters without k-means.

        neighbours [rows x k], as self_join gives them.
        """
        neighbours = np.asarray(neighbours)
        of_row = np.full(len(neighbours), -1, dtype=np.int64)
        count = 0
        for row, near in enumerate(neighbours):
            if of_row[row] >= 0:
                continue
            near = near[near >= 0]
            of_row[row] = count
            of_row[near[of_row[near] < 0][: size - 1]] = count
            count += 1
        return cls(of_row)

    def extend(self, rows: np.ndarray, limit: int) -> np.ndarray:
        """rows, then other members of their clusters, those of the most frequent cluster first, up to `limit`."""
        clusters, counts = np.unique(self.of_row[rows], return_counts=True)
        out = [rows]
        total = len(rows)
        for c in clusters[np.argsort(-counts, kind="stable")]:
            if total >= limit:
                break
            out.append(self.members[self.indptr[c]:self.indptr[c + 1]])
            total += len(out[-1])
        merged = np.concatenate(out)
        _, first = np.unique(merged, return_index=True)
        return merged[np.sort(first)][:limit]


class RetoMaton:
    """Neighbours of a running text: step by step, with a full search only when too few pointers are left.

        automaton = RetoMaton(store)
        for key, token in text:
            D, I = automaton.neighbours(key)
            ...
            automaton.emit(token)
    """

    def __init__(self, store: Any, *, k: int = 1024, clusters: Clusters | None = None, max_knns: int = 1024,
                 min_knns: int = 1, eta: float = 0.0, temp: float = 1.0, threads: int = 1, **options: Any) -> None:
        """clusters, max_knns: who follows along, and how many. min_knns: with fewer pointers left it searches.

        eta > 0: a search asks for k / 8 neighbours first and for all k only where those left out could move the
        distribution at temperature temp by more than eta in total variation (squared l2 distances only).
        """
        if not 0 <= eta < 1:
            raise ValueError(f"eta must lie in 0..1 (1 excluded), got {eta}")
        if not temp > 0:
            raise ValueError(f"temp must be above 0, got {temp}")
        self.store, self.k, self.clusters = store, k, clusters
        self.eta, self.temp = eta, temp
        self.max_knns, self.min_knns, self.threads, self.options = max_knns, min_knns, threads, options
        self.searches = self.steps = 0
        if eta > 0 and not self._smaller_is_nearer():
            raise ValueError("eta needs a datastore with metric l2")
        self.reset()

    def reset(self) -> None:
        """At the start of a text: nothing points anywhere."""
        self.pointers = np.empty(0, dtype=np.int64)
        self._ids = np.empty(0, dtype=np.int64)

    def neighbours(self, key: Any) -> tuple[np.ndarray, np.ndarray]:
        """(D, I) of the next query, nearest first: by pointers while at least min_knns are left, else by search."""
        self.steps += 1
        if len(self.pointers) >= max(self.min_knns, 1):
            ids = self.pointers
            distances = self.store.distances(key, ids)
            order = np.argsort(distances if self._smaller_is_nearer() else -distances, kind="stable")[: self.k]
            distances, ids = distances[order], ids[order]
        else:
            self.searches += 1
            few = max(self.k // 8, 1)
            distances, ids = self._search(key, few if self.eta > 0 else self.k)
            if self.eta > 0 and len(ids) == few and self._omitted(distances) > self.eta:
                distances, ids = self._search(key, self.k)
        self._ids = ids
        return distances, ids

    def _search(self, key: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        distances, ids = self.store.search(np.atleast_2d(key), k, threads=self.threads, **self.options)
        return distances[0][ids[0] >= 0], ids[0][ids[0] >= 0]

    def _omitted(self, distances: np.ndarray) -> float:
        """A bound of the share of the mass of all k neighbours that those beyond `distances` may have."""
        terms = np.exp((distances.min() - distances.astype(np.float64)) / self.temp)
        omitted = (self.k - len(terms)) * terms.min()
        return float(omitted / (terms.sum() + omitted))

    def emit(self, token: int) -> None:
        """Tells which token came: neighbours that said so point on."""
        follow = self._ids[self.store.values(self._ids) == token]
        next_rows = self.store.next_ids(follow)
        next_rows = next_rows[next_rows >= 0]
        if self.clusters is not None and len(next_rows):
            next_rows = self.clusters.extend(next_rows, self.max_knns)
        self.pointers = next_rows[: self.max_knns]

    def _smaller_is_nearer(self) -> bool:
        if not hasattr(self, "_l2"):
            self._l2 = self.store.collection.info()["metric"] == "l2"
        return self._l2


def token_log_probability(distances: np.ndarray, tokens: np.ndarray, target: int, temp: float, *,
                          similarity: bool = False) -> float:
    """log p_kNN(target) of one list of neighbours; -10000 where none says it."""
    e = (distances if similarity else -distances) / temp
    if not (tokens == target).any():
        return -10000.0
    e = e - e.max()
    return float(np.log(np.exp(e[tokens == target]).sum()) - np.log(np.exp(e).sum()))
