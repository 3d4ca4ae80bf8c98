"""Ranking metrics as Rax defines them, and the evaluation of a run: what `nestor eval` does with files."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np

from . import _core, arguments
from .errors import InvalidArgument, InvalidType

__all__ = ["evaluate", "ranking_metric"]


def ranking_metric(metric: str, scores: Any, labels: Any, cutoff: int | None = None,
                   random_ties: int | None = None) -> float:
    """One list: a score each (what ranks), a label each (what is true). Labels below 0 count as 0."""
    given = arguments.floats(scores, "scores", dtype=np.float64), arguments.floats(labels, "labels", dtype=np.float64)
    if given[0].ndim != 1 or given[0].shape != given[1].shape:
        raise InvalidArgument(f"scores and labels must be lists of one length, got the shapes {given[0].shape} and "
                              f"{given[1].shape}")
    return _core.ranking_metric(arguments.text(metric, "metric"), *given,
                                None if cutoff is None else arguments.whole(cutoff, "cutoff", 1),
                                None if random_ties is None else arguments.whole(random_ties, "random_ties", 0, 2**64 - 1))


def _numbers(table: Mapping[str, float], where: str) -> dict[str, float]:
    """Documents with their scores or grades, as the files of `nestor eval` have to hold them."""
    if not isinstance(table, Mapping):
        raise InvalidType(f"{where} must be {{document: number}}, got {arguments.shown(table)}")
    out = {}
    for document, given in table.items():
        out[arguments.text(document, f"a document of {where}")] = number = arguments.number(given, f"{where}[{document!r}]")
        if not np.isfinite(number):
            raise InvalidArgument(f"{where}[{document!r}] is {number}, which ranks nothing")
    return out


def _tie_order(document: str) -> tuple[int, int, str]:
    """Numbers before words, the smaller first."""
    return (0, int(document), document) if document.isdecimal() and document.isascii() else (1, 0, document)


def evaluate(run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, float]],
             metrics: Sequence[str] = ("ndcg@10", "mrr@10", "recall@100"),
             random_ties: int | None = None) -> dict[str, dict[str, float]]:
    """{query: {metric: value}}, and their means under "mean".

    run: {query: {document: score}}; qrels: {query: {document: grade}}. metrics: ndcg, dcg, mrr, precision, recall, ap,
    opa, with @CUTOFF or without. Every query of the qrels counts; one that the run lacks scores 0. Equal scores go by
    ascending document id, or in random order with a seed.
    """
    wanted = []
    for name in metrics:
        metric, _, cutoff = name.partition("@")
        if cutoff and not (cutoff.isdecimal() and int(cutoff) > 0) or name.endswith("@"):
            raise ValueError(f"the cutoff of {name!r} is not a positive number")
        wanted.append((name, metric, int(cutoff) if cutoff else None))
    table: dict[str, dict[str, float]] = {}
    for query, graded in qrels.items():
        graded, found = _numbers(graded, f"qrels[{query!r}]"), _numbers(run.get(query, {}), f"run[{query!r}]")
        returned = sorted(found.items(), key=lambda item: _tie_order(item[0]))
        missed = [grade for document, grade in graded.items() if document not in found]
        scores = np.array([score for _, score in returned] + [-np.inf] * len(missed), dtype=np.float64)
        labels = np.array([graded.get(document, 0) for document, _ in returned] + missed, dtype=np.float64)
        table[query] = {name: ranking_metric(metric, scores, labels, cutoff, random_ties)
                        for name, metric, cutoff in wanted}
    rows = list(table.values())
    table["mean"] = {name: float(np.mean([row[name] for row in rows])) if rows else 0.0 for name, _, _ in wanted}
    return table
