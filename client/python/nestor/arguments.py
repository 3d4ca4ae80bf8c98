"""What users give, checked before it reaches the engine: an error names the argument and what it may be."""

from __future__ import annotations

import json
import operator
import re
import uuid
from typing import Any, Callable, Iterable, Mapping

import numpy as np

from .errors import InvalidArgument, InvalidType

_UUID = re.compile(r"(urn:uuid:)?([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
NO_DOCUMENT = 2**64 - 1


def shown(value: Any) -> str:
    """A value in a message: short whatever it is."""
    kind = type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype") and value.shape != ():
        return f"{kind} of shape {tuple(value.shape)} and type {value.dtype}"
    if isinstance(value, (list, tuple, set, frozenset, dict)) and len(value) > 4:
        return f"{kind} of {len(value)}"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({kind})"


def whole(value: Any, name: str, low: int = 0, high: int = 2**32 - 1) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise InvalidType(f"{name} must be a whole number, got {shown(value)}") from None
    if not low <= number <= high:
        raise InvalidArgument(f"{name} must lie in {low}..{high}, got {number}")
    return number


def number(value: Any, name: str) -> float:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise InvalidType(f"{name} must be a number, got {shown(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidType(f"{name} must be a number, got {shown(value)}") from None


def flag(value: Any, name: str) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidType(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidType(f"{name} must be a string, got {shown(value)}")
    return value


def threads(value: Any, name: str = "threads") -> int:
    """0: all cores."""
    return whole(value, name, 0, 4096)


def sequence(value: Any, name: str, what: str) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidType(f"{name} must be a list of {what}, got {shown(value)}")
    try:
        return list(value)
    except TypeError:  # an array without dimensions
        raise InvalidType(f"{name} must be a list of {what}, got {shown(value)}") from None


# ---- ids ----

def point_id(value: Any, name: str = "id") -> int | str:
    """An unsigned integer of 64 bits (NumPy's too), a uuid.UUID, or its text."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, str):
        if not _UUID.fullmatch(value):
            raise InvalidArgument(f"{name} must be a whole number or a UUID, got {shown(value)}; "
                                  "uuid.uuid5(uuid.NAMESPACE_URL, text) makes a UUID of any text")
        return value
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise InvalidType(f"{name} must be a whole number or a UUID (uuid.UUID or its text), got {shown(value)}")
    return whole(value, name, 0, 2**64 - 1)


def point_ids(values: Any, name: str = "ids") -> list[int | str]:
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise InvalidArgument(f"{name} must be a list of ids, got {shown(values)}")
    return [point_id(value, f"{name}[{i}]") for i, value in enumerate(sequence(values, name, "ids"))]


def row_ids(values: Any, name: str = "ids") -> tuple[np.ndarray, np.ndarray]:
    """Integer ids as they come from search(), of any shape, and which of them are none (-1); those read 0."""
    array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)
    if array.size == 0:
        return np.zeros(array.shape, dtype=np.uint64), np.zeros(array.shape, dtype=bool)
    if array.dtype.kind not in "iu":  # beyond int64, integers of Python's own
        whole_numbers = [whole(value, name, -1, 2**64 - 1) for value in array.astype(object).ravel().tolist()]
        array = np.array(whole_numbers, dtype=object).reshape(array.shape)
    if array.dtype.kind == "u":
        return array.astype(np.uint64), np.zeros(array.shape, dtype=bool)
    none = np.asarray(array == -1, dtype=bool)
    if array.dtype.kind == "i" and array.min() < -1:
        raise InvalidArgument(f"{name} must be ids, or -1 for none, got {array.min()}")
    return np.where(none, 0, array).astype(np.uint64), none


def rows_of_queries(asked: np.ndarray, ids: Any) -> tuple[np.ndarray, np.ndarray]:
    """row_ids() of a row of ids for each query; for one query [dim] the ids may be a list."""
    known, none = row_ids(ids)
    count = 1 if asked.ndim == 1 else len(asked)
    if not (known.ndim == 1 and count == 1 or known.ndim == 2 and len(known) == count):
        raise InvalidArgument(f"ids must be an array [{count} x n], a row of ids for each query, got the shape "
                              f"{known.shape}")
    return known, none


def id_array(rows: list[list[Any]], width: int) -> np.ndarray:
    """[rows x width] int64; Python's own integers where one does not fit (from 2^63 on). -1 pads."""
    padded = [row + [-1] * (width - len(row)) for row in rows]
    try:
        return np.array(padded, dtype=np.int64).reshape(len(rows), width)
    except OverflowError:
        return np.array(padded, dtype=object).reshape(len(rows), width)


# ---- arrays ----

def to_numpy(tensor: Any) -> np.ndarray:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if "bfloat16" in str(tensor.dtype):  # NumPy has none
            tensor = tensor.float()
        tensor = tensor.numpy()
    return np.asarray(tensor)


def _numeric(values: Any, name: str, what: str, kinds: str) -> np.ndarray:
    try:
        array = to_numpy(values)
        if array.dtype.kind == "O" and array.ndim > 0:  # a column of arrays, say
            array = np.array([to_numpy(value) for value in array])
    except (TypeError, ValueError):  # of different lengths
        raise InvalidType(f"{name} must be {what}, got {shown(values)}") from None
    if array.dtype.kind not in kinds and array.size > 0:
        raise InvalidType(f"{name} must be {what}, got {shown(values)}" +
                          ("" if hasattr(values, "dtype") else f" that holds {array.dtype}"))
    return array


def floats(values: Any, name: str, what: str = "numbers", dtype: Any = np.float32) -> np.ndarray:
    """In C order; what is too large for a float32 becomes infinite, which the engine refuses by its place."""
    array = _numeric(values, name, what, "fiub")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)


def matrix(values: Any, name: str, dim: int | None = None, count: int | None = None) -> np.ndarray:
    """[count x dim] float32; one vector [dim] where count is 1."""
    what = f"an array [{'count' if count is None else count} x {'dim' if dim is None else dim}] of numbers"
    array = floats(values, name, what)
    if array.size == 0 and not count:
        return array.reshape(0, dim or 0)
    if array.ndim == 1 and count == 1:
        array = array[None]
    if array.ndim != 2 or (dim is not None and array.shape[1] != dim) or (count is not None and len(array) != count):
        raise InvalidArgument(f"{name} must be {what}, got the shape {array.shape}")
    return array


def queries(values: Any, name: str = "queries") -> np.ndarray:
    """[count x n] or [n] float32."""
    what = "an array [count x dim] or [dim] of numbers"
    array = floats(values, name, what)
    if array.ndim not in (1, 2):
        raise InvalidArgument(f"{name} must be {what}, got an array of {array.ndim} dimensions")
    return array


def unsigned(values: Any, dtype: Any, name: str) -> np.ndarray | None:
    """Tokens and documents; the largest number of the type marks what has none."""
    if values is None:
        return None
    array = np.asarray(values)
    high = int(np.iinfo(dtype).max) - 1
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind not in "iu":  # of mixed sizes, perhaps
        items = np.asarray(values, dtype=object)
        for value in items.ravel():
            if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
                raise InvalidType(f"{name} must be integers of 0..{high}, got {shown(value)}")
        array = np.array([whole(value, name, 0, high) for value in items.ravel()], dtype=dtype).reshape(items.shape)
    if array.min() < 0 or array.max() > high:
        raise InvalidArgument(f"{name} must lie in 0..{high}, got {array.min()}..{array.max()}")
    return np.ascontiguousarray(array, dtype=dtype)


# ---- payloads ----

def _plain(value: Any) -> Any:
    """What NumPy calls numbers and lists."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def json_text(value: Any, name: str) -> str:
    """A mapping as the text of a JSON object. What the engine refuses besides: lone surrogates, deep nesting."""
    if not isinstance(value, Mapping):
        raise InvalidType(f"{name} must be a mapping (a JSON object), got {shown(value)}")
    try:
        return json.dumps(dict(value), allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{name} cannot be said in JSON: {error}") from None


def payload_texts(payloads: Any, values: np.ndarray | None, count: int) -> list[str] | None:
    """One JSON text per point, empty for None; a value is in its point's payload as the field `token`."""
    if payloads is None:
        return None if values is None else [f'{{"token": {value}}}' for value in values]
    given = sequence(payloads, "payloads", "mappings, one per id")
    if len(given) != count:
        raise InvalidArgument(f"payloads must be one per id, got {len(given)} for {count} ids")
    texts = []
    for i, payload in enumerate(given):
        if values is not None and (payload is None or (isinstance(payload, Mapping) and "token" not in payload)):
            payload = {**(payload or {}), "token": int(values[i])}
        texts.append("" if payload is None else json_text(payload, f"payloads[{i}]"))
    return texts


# ---- options ----

def _stages(value: Any, name: str) -> list[tuple[int, int]]:
    what = "pairs (width, shortlist)"
    pairs = [tuple(sequence(pair, name, what)) for pair in sequence(value, name, what)]
    if any(len(pair) != 2 for pair in pairs):
        raise InvalidArgument(f"{name} must be a list of {what}, got {shown(value)}")
    return [(whole(width, f"{name}: a width"), whole(shortlist, f"{name}: a shortlist")) for width, shortlist in pairs]


def _documents(value: Any, name: str) -> np.ndarray:
    ids, none = row_ids(value, name)
    return np.where(none, np.uint64(NO_DOCUMENT), ids).ravel()


def _entries(value: Any, name: str) -> np.ndarray:
    ids, none = row_ids(value, name)
    return ids[~none]


_OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    "k": whole, "width": whole, "ef": whole, "exact": flag, "exact_distances": flag, "explain": flag,
    "distance_gap": number, "target_recall": number, "max_latency_ms": number, "encoder": text, "stages": _stages,
    "temperature": number, "top": whole, "eta": number, "weights": flag, "weight_mode": text,
    "exclude_doc_id": _documents, "entry_ids": _entries,
}


def search_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of a search; those that are None are left out, and names nobody knows are the engine's to refuse."""
    return {name: _OPTIONS[name](value, name) if name in _OPTIONS else value
            for name, value in options.items() if value is not None}


def widths(value: Any, name: str) -> list[int]:
    return [whole(width, name) for width in sequence(value, name, "widths")]


def _dtype(value: Any, name: str) -> str:
    """float16, "float16" or NumPy's words for it."""
    try:
        return np.dtype(value).name if isinstance(value, (type, np.dtype)) else text(value, name)
    except TypeError:
        raise InvalidType(f"{name} must be float32 or float16, got {shown(value)}") from None


_COLLECTION: dict[str, Callable[[Any, str], Any]] = {
    "dim": whole, "metric": text, "dtype": _dtype, "rotation": text, "walk_codes": text, "widths": widths,
    "graphs": widths, "max_links": whole, "candidates_at_build": whole,
    "seed": lambda value, name: whole(value, name, 0, 2**64 - 1), "exact_below": whole,
}


def collection_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _COLLECTION[name](value, name) if name in _COLLECTION else value for name, value in options.items()}
