"""Representation dispersion (arXiv 2506.24106), streaming and mergeable."""

from __future__ import annotations

from typing import Any

from . import _core, arguments
from .errors import InvalidArgument, InvalidType


class Dispersion(_core.Dispersion):
    """Sums over rows, at one width or at several."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__(arguments.widths(widths, "widths"))

    def add(self, rows: Any) -> None:
        """rows [count x dim], of the widest width."""
        super().add(arguments.matrix(rows, "rows", self.widths[-1]))

    def merge(self, other: Dispersion) -> None:
        if not isinstance(other, _core.Dispersion):
            raise InvalidType(f"other must be a Dispersion, got {arguments.shown(other)}")
        super().merge(other)


def measure(vectors: Any, widths: list[int] | None = None, block: int = 8192) -> Dispersion:
    """The sums of an array or memory map [rows x dim], read block by block; at its full width, or at several."""
    if not hasattr(vectors, "shape"):
        vectors = arguments.matrix(vectors, "vectors")
    if len(vectors.shape) != 2:
        raise InvalidArgument(f"vectors must be an array [rows x dim], got the shape {tuple(vectors.shape)}")
    dispersion = Dispersion([vectors.shape[1]] if widths is None else widths)
    width = dispersion.widths[-1]
    if width > vectors.shape[1]:
        raise InvalidArgument(f"width {width} exceeds the {vectors.shape[1]} coordinates of the vectors")
    block = arguments.whole(block, "block", 1)
    for start in range(0, len(vectors), block):
        dispersion.add(vectors[start:start + block, :width])
    return dispersion
