"""kNN-LM written out in NumPy, without care for speed: what the package is compared with."""
import numpy as np


def similarities(keys, query, metric):
    """-d of every key, larger is nearer."""
    keys, query = keys.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        return -((keys - query) ** 2).sum(axis=1)
    if metric == "dot":
        return keys @ query
    unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
    return unit(keys) @ unit(query) - 1


def distribution(keys, values, query, *, metric="l2", k=64, temp=1.0, weights=None, mode="after_temperature",
                 allowed=None):
    """{token: p} of the k nearest."""
    s = similarities(keys, query, metric)
    if allowed is not None:
        s = np.where(allowed, s, -np.inf)
    near = np.argsort(-s, kind="stable")[:k]
    near = near[np.isfinite(s[near])]
    logw = np.zeros(len(keys)) if weights is None else np.log(weights)
    e = s[near] / temp + logw[near] if mode == "after_temperature" else (s[near] + logw[near]) / temp
    p = np.exp(e - e.max())
    p /= p.sum()
    out = {}
    for token, one in zip(values[near], p):
        out[int(token)] = out.get(int(token), 0.0) + float(one)
    return out


def sample(rows=400, dim=16, tokens=30, queries=20, seed=1):
    """Keys exact in float16, with tokens and queries."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(10, dim))
    keys = centres[random.integers(10, size=rows)] + 0.7 * random.normal(size=(rows, dim))
    keys = keys.astype(np.float16).astype(np.float32)
    asked = (centres[random.integers(10, size=queries)] + 0.7 * random.normal(size=(queries, dim))).astype(np.float32)
    return keys, random.integers(tokens, size=rows).astype(np.int64), asked
