"""Representation dispersion (arXiv 2506.24106), streaming and mergeable."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core

Dispersion = _core.Dispersion


def measure(vectors: Any, widths: list[int] | None = None, block: int = 8192) -> Dispersion:
    """The sums of an array or memory map [rows x dim], read block by block; at its full width, or at several."""
    dispersion = _core.Dispersion(widths or [vectors.shape[1]])
    width = dispersion.widths[-1]
    for start in range(0, len(vectors), block):
        dispersion.add(np.ascontiguousarray(vectors[start:start + block, :width], dtype=np.float32))
    return dispersion
