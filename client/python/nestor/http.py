"""The same datastore behind `nestor serve`: one class with the methods of nestor.Datastore. Standard library only."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any, Iterable

import numpy as np

from . import arguments
from .distributions import ABSENT, Distributions
from .errors import Error, NotFound, of_code

_CODES = {400: "invalid_argument", 404: "not_found", 409: "already_exists", 422: "invalid_argument",
          413: "resource_exhausted", 507: "resource_exhausted", 503: "unavailable", 403: "permission_denied"}


class HttpDatastore:
    """HttpDatastore("http://localhost:6333", "novel"). Needs no compiled module. Thread-safe."""

    def __init__(self, url: str, collection: str, *, weights: bool = False, api_key: str | None = None,
                 timeout: float = 60.0) -> None:
        self.url, self.name = url.rstrip("/"), collection
        self.weights, self.api_key, self.timeout = weights, api_key, timeout

    def create(self, dim: int, *, metric: str = "l2", dtype: str = "float16", widths: list[int] | None = None,
               rotation: str = "none") -> HttpDatastore:
        distance = {"l2": "Euclid", "dot": "Dot", "cosine": "Cosine"}[metric]
        nested: dict[str, Any] = {"rotation": rotation} | ({"widths": widths} if widths else {})
        self._call("PUT", "", {"vectors": {"size": dim, "distance": distance, "datatype": dtype, "matryoshka": nested}})
        return self

    def __len__(self) -> int:
        return self._call("POST", "/points/count", {})["count"]

    def append(self, keys: Any, values: Any = None, weights: Any = None, doc_ids: Any = None) -> int:
        body: dict[str, Any] = {"keys": _encoded(arguments.matrix(keys, "keys"))}
        for name, given in (("values", arguments.unsigned(values, np.uint32, "values")),
                            ("doc_ids", arguments.unsigned(doc_ids, np.uint64, "doc_ids")),
                            ("weights", None if weights is None else arguments.floats(weights, "weights"))):
            if given is not None:
                body[name] = given.tolist()
        return self._call("POST", "/knnlm/append", body)["first_id"]

    def build(self) -> dict[str, Any]:
        return self._call("POST", "/knnlm/build", {})

    def search(self, queries: Any, k: int = 1024, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        k = arguments.whole(k, "k")
        rows = self._call("POST", "/knnlm/search", {"queries": _vectors(queries), "k": k, **_options(options)})["neighbours"]
        l2 = self._metric() == "l2"
        distances = np.full((len(rows), k), np.inf if l2 else -np.inf, dtype=np.float32)
        for q, row in enumerate(rows):
            distances[q, :len(row)] = [hit["distance"] for hit in row]
        return distances, arguments.id_array([[hit["id"] for hit in row] for row in rows], k)

    def lookup(self, queries: Any, k: int = 1024, temp: float = 1.0, *, topm: int | None = None, eta: float = 0.0,
               **options: Any) -> Distributions:
        rows = self._call("POST", "/knnlm/lookup", {
            "queries": _vectors(queries), "k": arguments.whole(k, "k"), "temperature": arguments.number(temp, "temp"),
            "top": 0 if topm is None else arguments.whole(topm, "topm"), "eta": arguments.number(eta, "eta"),
            "weights": self.weights, **_options(options)})["distributions"]
        tokens = [entry["token"] for row in rows for entry in row["tokens"]]
        p = np.array([entry["probability"] for row in rows for entry in row["tokens"]], dtype=np.float64)
        with np.errstate(divide="ignore"):
            logp = np.maximum(np.log(p), ABSENT).astype(np.float32)

        def column(name: str, dtype: Any) -> np.ndarray:
            return np.array([row[name] for row in rows], dtype=dtype)

        return Distributions(np.cumsum([0] + [len(row["tokens"]) for row in rows]), np.array(tokens, dtype=np.uint32),
                             logp, column("neighbours", np.uint32), column("searched", np.uint32),
                             column("total_variation_bound", np.float32))

    knn_logprobs = lookup

    def score(self, queries: Any, targets: Any, lm_logp: Any, lam: Any = 0.25, k: int = 1024, temp: float = 1.0, *,
              details: bool = False, eta: float = 0.0, **options: Any) -> Any:
        wanted = arguments.unsigned([] if targets is None else targets, np.uint32, "targets").ravel()
        lambdas = arguments.floats(lam, "lam", "a number or one per query").ravel()
        rows = self._call("POST", "/knnlm/score", {
            "queries": _vectors(queries), "targets": wanted.tolist(),
            "lm_log_probabilities": arguments.floats(lm_logp, "lm_logp", dtype=np.float64).ravel().tolist(),
            "lambda": lambdas.tolist(), "k": arguments.whole(k, "k"), "temperature": arguments.number(temp, "temp"),
            "eta": arguments.number(eta, "eta"), "weights": self.weights, **_options(options)})["scores"]
        names = {"log_probabilities": "log_probability", "knn_log_probabilities": "knn_log_probability",
                 "neighbours": "neighbours", "searched": "searched", "bounds": "total_variation_bound"}
        result = {ours: np.array([row[theirs] for row in rows]) for ours, theirs in names.items()}
        return result if details else result["log_probabilities"]

    def distances(self, queries: Any, ids: Any) -> np.ndarray:
        asked = arguments.queries(queries)
        known, none = arguments.rows_of_queries(asked, ids)
        rows = self._call("POST", "/knnlm/distances",
                          {"queries": _vectors(asked), "ids": known.ravel().tolist()})["distances"]
        missing = np.inf if self._metric() == "l2" else -np.inf
        out = np.array([missing if d is None else d for row in rows for d in row], dtype=np.float32).reshape(known.shape)
        out[none] = missing
        return out

    def get_vectors(self, ids: Any) -> np.ndarray:
        known, none = arguments.row_ids(ids)
        if none.any():
            raise NotFound("there is no point -1")
        return np.array(self._call("POST", "/knnlm/get_vectors", {"ids": known.ravel().tolist()})["vectors"],
                        dtype=np.float32)

    def next_ids(self, ids: Any) -> np.ndarray:
        known, none = arguments.row_ids(ids)
        found = self._call("POST", "/knnlm/next_ids", {"ids": known.ravel().tolist()})["next_ids"]
        out = arguments.id_array([[-1 if one is None else one for one in found]], known.size).reshape(known.shape)
        out[none] = -1
        return out

    def values(self, ids: Any) -> np.ndarray:
        known, none = arguments.row_ids(ids)
        points = self._call("POST", "/points", {"ids": known.ravel().tolist(), "with_payload": ["token"]})
        tokens = {point["id"]: (point["payload"] or {}).get("token", -1) for point in points}
        out = np.array([tokens.get(i, -1) for i in known.ravel().tolist()], dtype=np.int64).reshape(known.shape)
        out[none] = -1
        return out

    def score_candidates(self, candidates: Any, evidence: Any = None, *, evidence_ids: Iterable[int] | None = None,
                         by: str = "max") -> np.ndarray:
        body: dict[str, Any] = {"candidates": _encoded(arguments.matrix(candidates, "candidates")),
                                "by": arguments.text(by, "by")}
        if evidence_ids is not None:
            body["evidence_ids"] = arguments.point_ids(evidence_ids, "evidence_ids")
        else:
            body["evidence"] = _encoded(arguments.matrix(evidence, "evidence"))
        return np.array(self._call("POST", "/knnlm/score_candidates", body)["scores"], dtype=np.float32)

    def dispersion(self, limit: int = 100_000) -> list[dict[str, Any]]:
        return self._call("POST", "/analyze/dispersion", {"limit": limit})["widths"]

    def _metric(self) -> str:
        if not hasattr(self, "_known_metric"):
            vectors = self._call("GET", "")["config"]["params"]["vectors"]
            self._known_metric = {"Euclid": "l2", "Dot": "dot", "Cosine": "cosine"}[vectors["distance"]]
        return self._known_metric

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/collections/{self.name}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(), headers={"content-type": "application/json"})
        if self.api_key:
            request.add_header("api-key", self.api_key)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)["result"]
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["status"]["error"]
            except (ValueError, KeyError, TypeError):
                pass
            raise of_code(_CODES.get(error.code, "internal"))(text) from None
        except urllib.error.URLError as error:
            raise of_code("unavailable")(f"cannot reach {self.url}: {error.reason}") from None


def _vectors(queries: Any) -> list[str]:
    return _encoded(np.atleast_2d(arguments.queries(queries)))


def _encoded(rows: np.ndarray) -> list[str]:
    """Base64 of little-endian float32, a fifth of the size of decimal text and exact."""
    return [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]


def _options(options: dict[str, Any]) -> dict[str, Any]:
    """The keywords of nestor.Datastore as the server's fields."""
    body: dict[str, Any] = {}
    params: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for name, value in arguments.search_options(options).items():
        if name == "threads":
            continue
        if name == "exact":
            params["exact"] = value
        elif name == "ef":
            params["hnsw_ef"] = value
        elif name in ("width", "distance_gap", "exact_distances", "target_recall", "max_latency_ms", "encoder"):
            nested[name] = value
        elif name == "stages":
            nested["stages"] = [{"width": w, "shortlist": s} for w, s in value]
        elif name == "exclude_doc_id":
            documents = [None if d == arguments.NO_DOCUMENT else d for d in value.tolist()]
            body[name] = documents if len(documents) != 1 else documents[0]
        elif name == "entry_ids":
            body[name] = value.tolist()
        elif name == "weight_mode":
            body[name] = value
        else:
            raise Error(f"unknown option {name!r}")
    if nested:
        params["matryoshka"] = nested
    if params:
        body["params"] = params
    return body
