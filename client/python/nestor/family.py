"""What belongs to the family around kNN-LM and needs no datastore."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core, arguments
from .errors import InvalidArgument


def greedy_merge(values: Any, neighbours: Any, seed: int = 1) -> np.ndarray:
    """Weights of a greedy merge (He et al. 2021, section 4.3): near rows with the same token become one row.

    values [n] are tokens, neighbours [n x k] row numbers with -1 for none. 0 marks the rows merged away.
    """
    tokens = arguments.unsigned(values, np.uint32, "values")
    rows, none = arguments.row_ids(neighbours, "neighbours")
    if rows.size and (rows.ndim != 2 or len(rows) != len(tokens)):
        raise InvalidArgument(f"neighbours must be an array [{len(tokens)} x k], got the shape {rows.shape}")
    if rows.size and rows.max() >= max(len(tokens), 1):
        raise InvalidArgument(f"neighbour {rows.max()} is not one of the {len(tokens)} rows")
    signed = np.where(none, -1, rows.astype(np.int64))
    return _core.greedy_merge(tokens, signed, arguments.whole(seed, "seed", 0, 2**64 - 1))


def score_candidates(candidates: Any, evidence: Any, metric: str = "cosine", by: str = "max") -> np.ndarray:
    """How near each candidate [n x dim] is to the evidence [m x dim]: to the nearest row of it, or by="mean"."""
    wanted = arguments.matrix(candidates, "candidates")
    known = arguments.matrix(evidence, "evidence", wanted.shape[1] if wanted.size else None)
    return _core.score_candidates(wanted, known, arguments.text(metric, "metric"), arguments.text(by, "by"))
