"""Nestor: nearest neighbours among nested (Matryoshka) vectors, and kNN-LM datastores, in this process.

    import nestor
    with nestor.Database("data") as database:
        store = database.create_datastore("novel", dim=256)
        store.append(keys, next_tokens)
        store.build()
        logp = store.score(queries, targets, lm_logp, lam=0.25, k=1024, temp=5.0)
"""

from .adapter import LinearAdapter, overlap_at_k, overlap_report
from .database import Collection, Database
from .datastore import Datastore
from .dispersion import Dispersion, measure
from .distributions import ABSENT, Distributions
from .evaluation import evaluate, ranking_metric
from .errors import (AlreadyExists, DataLoss, Error, FailedPrecondition, InvalidArgument, InvalidType, NotFound,
                     PermissionDenied, ResourceExhausted, Unavailable)
from .family import greedy_merge, score_candidates
from .gate import SkipGate, confidence_features
from .hooks import KnnSaver, KNNWrapper
from .http import HttpDatastore
from .retomaton import Clusters, RetoMaton, token_log_probability

__all__ = [
    "ABSENT", "AlreadyExists", "Clusters", "Collection", "DataLoss", "Database", "Datastore", "Dispersion",
    "Distributions", "Error", "FailedPrecondition", "HttpDatastore", "InvalidArgument", "InvalidType", "KNNWrapper",
    "KnnSaver", "LinearAdapter", "NotFound", "PermissionDenied", "ResourceExhausted", "RetoMaton", "SkipGate", "Unavailable",
    "confidence_features", "evaluate", "greedy_merge", "measure", "overlap_at_k", "overlap_report", "ranking_metric",
    "score_candidates", "token_log_probability",
]
