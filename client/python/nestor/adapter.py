"""A linear map from a student query encoder's space into the datastore's (EmbedDistill, Kim et al. 2023: the document
index stays, a smaller encoder asks), and how much of the teacher's answer survives.

The guarantee of a calibration holds for the encoder it was measured with: calibrate again for an adapted one.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class LinearAdapter:
    """y ~ x W + b by ridge regression."""

    def __init__(self, ridge: float = 1e-3) -> None:
        self.ridge = ridge

    def fit(self, student: Any, teacher: Any) -> LinearAdapter:
        """student [n x d], teacher [n x D]: the two encoders' vectors of the same inputs."""
        x, y = np.asarray(student, dtype=np.float64), np.asarray(teacher, dtype=np.float64)
        if len(x) != len(y):
            raise ValueError(f"{len(x)} student vectors do not pair with {len(y)} teacher vectors")
        self.x_mean, self.y_mean = x.mean(axis=0), y.mean(axis=0)
        x = x - self.x_mean
        # In the units of the data: a ridge of 1e-3 adds a thousandth of the mean variance.
        penalty = self.ridge * len(x) * float((x * x).sum(axis=1).mean()) / x.shape[1]
        self.weight = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (y - self.y_mean))
        return self

    def __call__(self, student: Any) -> np.ndarray:
        x = np.asarray(student, dtype=np.float64) - self.x_mean
        return (x @ self.weight + self.y_mean).astype(np.float32)


def overlap_at_k(teacher_ids: Any, student_ids: Any) -> float:
    """Mean share of the teacher's k neighbours that the student finds; rows of ids, -1 for none."""
    shares = []
    for t, s in zip(np.asarray(teacher_ids), np.asarray(student_ids), strict=True):
        t = t[t >= 0]
        if len(t):
            shares.append(np.isin(t, s).mean())
    return float(np.mean(shares)) if shares else 0.0


def overlap_report(store: Any, teacher: Any, student: Any, ks: tuple[int, ...] = (1, 10, 100),
                   **options: Any) -> dict[int, float]:
    """overlap@k of two sets of query vectors over one datastore."""
    _, truth = store.search(teacher, max(ks), **options)
    _, found = store.search(student, max(ks), **options)
    return {k: overlap_at_k(truth[:, :k], found[:, :k]) for k in ks}
