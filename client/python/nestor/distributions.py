"""Next-token distributions as compressed sparse rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ABSENT = -10000.0
"""Stands for log 0, as in the code of the kNN-LM family."""


@dataclass(frozen=True)
class Distributions:
    """Row q holds the tokens indptr[q]:indptr[q + 1], best first, with natural logs of p_kNN."""

    indptr: np.ndarray
    tokens: np.ndarray
    log_probabilities: np.ndarray
    neighbours: np.ndarray
    """Neighbours of each query that carried a token."""
    searched: np.ndarray
    """Neighbours asked for: k, or fewer with eta."""
    bounds: np.ndarray
    """With eta: at most this total variation distance from the distribution of all k of the same search."""

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, q: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(self.indptr[q], self.indptr[q + 1])
        return self.tokens[part], self.log_probabilities[part]

    def dense(self, vocabulary: int, absent: float = ABSENT) -> np.ndarray:
        """[queries x vocabulary] log-probabilities."""
        out = np.full((len(self), vocabulary), absent, dtype=np.float32)
        out[self._rows(), self.tokens] = self.log_probabilities
        return out

    def mix(self, lm_log_probabilities: Any, lam: Any) -> np.ndarray:
        """log(lam p_kNN + (1 - lam) p_LM) [queries x vocabulary]; lam is one number or one per query.

        A query without neighbours keeps the language model's distribution.
        """
        lm = np.asarray(lm_log_probabilities, dtype=np.float32)
        lam = np.broadcast_to(np.asarray(lam, dtype=np.float32), (len(self),)) * (np.diff(self.indptr) > 0)
        with np.errstate(divide="ignore"):
            out = lm + np.log1p(-lam)[:, None]
            rows = self._rows()
            knn = self.log_probabilities + np.log(lam)[rows]
        out[rows, self.tokens] = np.logaddexp(out[rows, self.tokens], knn)
        return np.maximum(out, ABSENT)

    def _rows(self) -> np.ndarray:
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))
