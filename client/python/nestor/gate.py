"""A skip gate: which queries are worth a search (adaptive retrieval, He et al. 2021, section 4.2).

The paper trains a small network on the key, the language model's confidence and counts, to give the weight of p_kNN,
and skips the share of positions where that weight is lowest. Here the network is one hidden layer, and what it learns
is the same: lambda that minimises the loss of the mixture on held-out text. It starts at the best constant lambda and
stops where the last rows, which it does not learn from, are predicted best: with a key of hundreds of coordinates and a
few thousand rows, learning on is worse than no gate (docs/knn-lm.md has the figures).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def confidence_features(lm_log_probabilities: Any) -> np.ndarray:
    """[n x 2]: log of the largest probability, and the entropy, of rows [n x vocabulary]."""
    logp = np.asarray(lm_log_probabilities, dtype=np.float64)
    return np.stack([logp.max(axis=1), -(np.exp(logp) * np.where(np.isfinite(logp), logp, 0)).sum(axis=1)], axis=1)


class SkipGate:
    """features [n x f] -> lambda per query, 0 where the search is skipped."""

    def __init__(self, hidden: int = 32, l2: float = 1e-4, l1: float = 0.0, steps: int = 400, rate: float = 0.003,
                 held_out: float = 0.2, seed: int = 1) -> None:
        self.hidden, self.l2, self.l1, self.steps, self.rate, self.seed = hidden, l2, l1, steps, rate, seed
        self.held_out = held_out
        """Share of the rows, the last ones, that decide where learning stops."""
        self.theta = 0.0
        """lambda below which a query is skipped; see choose()."""

    def fit(self, features: Any, knn_logp: Any, lm_logp: Any) -> SkipGate:
        """Minimises the mean of -log(lam p_kNN + (1 - lam) p_LM) + l1 * lam, by Adam on all rows at once.

        knn_logp and lm_logp are natural logs of the probability of the token that came next. Rows in text order.
        """
        x = np.asarray(features, dtype=np.float64)
        p_knn, p_lm = np.exp(np.asarray(knn_logp, np.float64)), np.exp(np.asarray(lm_logp, np.float64))
        if not len(x) == len(p_knn) == len(p_lm) >= 5:
            raise ValueError(f"{len(x)} features, {len(p_knn)} and {len(p_lm)} log-probabilities: one of each per row, "
                             "at least 5 rows")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out must lie between 0 and 1, got {self.held_out}")
        known = min(max(1, round(len(x) * (1 - self.held_out))), len(x) - 1)
        self.mean, self.scale = x[:known].mean(axis=0), x[:known].std(axis=0) + 1e-6
        x = (x - self.mean) / self.scale
        learnt, kept_back = (x[:known], p_knn[:known], p_lm[:known]), (x[known:], p_knn[known:], p_lm[known:])
        random = np.random.default_rng(self.seed)
        constant = min(np.arange(1, 100) / 100, key=lambda lam: self._mean_loss(lam, *learnt[1:]))
        self._p = [random.normal(0, 1 / np.sqrt(x.shape[1]), (x.shape[1], self.hidden)), np.zeros(self.hidden),
                   np.zeros(self.hidden), np.array([np.log(constant / (1 - constant))])]
        moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self._p]
        best, kept, self.stopped_at = self._loss(*kept_back), [p.copy() for p in self._p], 0
        for step in range(1, self.steps + 1):
            for p, g, (m, v) in zip(self._p, self._gradients(*learnt), moments):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p -= self.rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
            loss = self._loss(*kept_back)
            if loss < best:
                best, kept, self.stopped_at = loss, [p.copy() for p in self._p], step
        self._p = kept
        return self

    def _mean_loss(self, lam: Any, p_knn: np.ndarray, p_lm: np.ndarray) -> float:
        return float((-np.log(lam * p_knn + (1 - lam) * p_lm + 1e-12) + self.l1 * lam).mean())

    def _loss(self, x: np.ndarray, p_knn: np.ndarray, p_lm: np.ndarray) -> float:
        return self._mean_loss(self._forward(x)[1], p_knn, p_lm)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w1, b1, w2, b2 = self._p
        h = np.tanh(x @ w1 + b1)
        return h, 1 / (1 + np.exp(-(h @ w2 + b2[0])))

    def _gradients(self, x: np.ndarray, p_knn: np.ndarray, p_lm: np.ndarray) -> list[np.ndarray]:
        w1, _, w2, _ = self._p
        h, lam = self._forward(x)
        mixed = lam * p_knn + (1 - lam) * p_lm + 1e-12
        z = ((p_lm - p_knn) / mixed + self.l1) * lam * (1 - lam) / len(x)
        back = np.outer(z, w2) * (1 - h * h)
        return [x.T @ back + self.l2 * w1, back.sum(axis=0), h.T @ z + self.l2 * w2, np.array([z.sum()])]

    def weights(self, features: Any) -> np.ndarray:
        """lambda of every query, before any is skipped."""
        return self._forward((np.asarray(features, dtype=np.float64) - self.mean) / self.scale)[1].astype(np.float32)

    def choose(self, features: Any, share: float) -> SkipGate:
        """Sets theta so that about `share` of queries like these are skipped. No targets are needed, so they may be
        newer ones than those of fit(). None are skipped by a gate that learnt nothing beyond a constant lambda."""
        if not 0 <= share <= 1:
            raise ValueError(f"share must lie in 0..1, got {share}")
        self.theta = float(np.quantile(self.weights(features), share)) if share > 0 else 0.0
        return self

    def __call__(self, features: Any) -> np.ndarray:
        lam = self.weights(features)
        return np.where(lam >= self.theta, lam, np.float32(0))
