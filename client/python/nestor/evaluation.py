"""Ranking metrics as Rax defines them, and the evaluation of a run: what `nestor eval` does with files."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

from ._core import ranking_metric

__all__ = ["evaluate", "ranking_metric"]


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
        returned = sorted(run.get(query, {}).items(), key=lambda item: _tie_order(item[0]))
        missed = [grade for document, grade in graded.items() if document not in run.get(query, {})]
        scores = np.array([score for _, score in returned] + [-np.inf] * len(missed), dtype=np.float64)
        labels = np.array([graded.get(document, 0) for document, _ in returned] + missed, dtype=np.float64)
        table[query] = {name: ranking_metric(metric, scores, labels, cutoff, random_ties)
                        for name, metric, cutoff in wanted}
    rows = list(table.values())
    table["mean"] = {name: float(np.mean([row[name] for row in rows])) if rows else 0.0 for name, _, _ in wanted}
    return table
