"""A minimal user of the REST dialect whose models are as strict as those of typed clients: no extra fields in the
parameters of vectors, floats that are written as floats, required parts that must be there.

  strict_models_test.py NESTOR
"""
import sys
import tempfile
import unittest
from typing import Any, Dict, List, Optional, Union

try:
    import httpx
    from pydantic import BaseModel, StrictFloat, StrictInt
except ImportError as missing:
    print(f"skipped: {missing} (python3-httpx and python3-pydantic)")
    sys.exit(77)

from cli_support import NestorTestCase, Server  # noqa: E402


class Model(BaseModel):
    """What is not named here is let pass."""


class Strict(BaseModel):
    class Config:
        extra = "forbid"


class HnswConfigDiff(Strict):
    m: Optional[int] = None
    ef_construct: Optional[int] = None
    full_scan_threshold: Optional[int] = None
    max_indexing_threads: Optional[int] = None
    on_disk: Optional[bool] = None
    payload_m: Optional[int] = None


class VectorParams(Strict):
    size: int
    distance: str
    hnsw_config: Optional[HnswConfigDiff] = None
    quantization_config: Optional[Dict[str, Any]] = None
    on_disk: Optional[bool] = None
    datatype: Optional[str] = None
    multivector_config: Optional[Dict[str, Any]] = None


class CollectionParams(Model):
    vectors: Union[VectorParams, Dict[str, VectorParams]]
    shard_number: int
    replication_factor: int
    write_consistency_factor: int
    on_disk_payload: bool


class HnswConfig(Model):
    m: int
    ef_construct: int
    full_scan_threshold: int
    max_indexing_threads: int


class OptimizersConfig(Model):
    deleted_threshold: float
    vacuum_min_vector_number: int
    default_segment_number: int
    flush_interval_sec: int


class WalConfig(Model):
    wal_capacity_mb: int
    wal_segments_ahead: int


class CollectionConfig(Model):
    params: CollectionParams
    hnsw_config: HnswConfig
    optimizer_config: OptimizersConfig
    wal_config: WalConfig


class KeywordIndexParams(Strict):
    type: str
    is_tenant: Optional[bool] = None
    on_disk: Optional[bool] = None


class PayloadIndexInfo(Model):
    data_type: str
    params: Optional[KeywordIndexParams] = None
    points: int


class CollectionInfo(Model):
    status: str
    optimizer_status: Union[str, Dict[str, str]]
    indexed_vectors_count: Optional[int] = None
    points_count: Optional[int] = None
    segments_count: int
    config: CollectionConfig
    payload_schema: Dict[str, PayloadIndexInfo]


Vector = Union[List[StrictFloat], Dict[str, List[StrictFloat]]]


class Record(Strict):
    id: Union[StrictInt, str]
    payload: Optional[Dict[str, Any]] = None
    vector: Optional[Vector] = None


class ScoredPoint(Strict):
    id: Union[StrictInt, str]
    version: StrictInt
    score: StrictFloat
    payload: Optional[Dict[str, Any]] = None
    vector: Optional[Vector] = None


class StrictModels(NestorTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = Server("--data", cls.folder.name + "/data", "--port", 0)
        cls.addClassCleanup(cls.server.stop)
        cls.http = httpx.Client(base_url=f"http://127.0.0.1:{cls.server.port}", timeout=60)
        cls.addClassCleanup(cls.http.close)

    def call(self, method, path, body=None):
        answer = self.http.request(method, path, json=body)
        self.assertEqual(answer.status_code, 200, answer.text)
        return answer.json()["result"]

    def fill(self, name, parameters, named=None):
        self.call("PUT", f"/collections/{name}", {"vectors": {named: parameters} if named else parameters})
        vectors = [[1, 0, 0, 0], [2, -0.5, 0, 0], [0, 0, 3e30, 0]]
        self.call("PUT", f"/collections/{name}/points?wait=true", {"points": [
            {"id": i + 1, "vector": {named: vector} if named else vector, "payload": {"g": "a", "n": i}}
            for i, vector in enumerate(vectors)]})

    def test_a_collection_is_read(self):
        for name, named in (("plain", None), ("named", "text")):
            self.fill(name, {"size": 4, "distance": "Cosine", "on_disk": True, "datatype": "float16",
                             "matryoshka": {"widths": [2, 4]}}, named)
            self.call("PUT", f"/collections/{name}/index?wait=true",
                      {"field_name": "g", "field_schema": {"type": "keyword", "is_tenant": True}})
            info = CollectionInfo(**self.call("GET", f"/collections/{name}"))
            vectors = info.config.params.vectors
            vectors = vectors[named] if named else vectors
            self.assertEqual((vectors.size, vectors.distance, vectors.on_disk), (4, "Cosine", True))
            self.assertEqual(info.payload_schema["g"].points, 3)
            self.call("PATCH", f"/collections/{name}", {"metadata": {"a": 1}})
            CollectionInfo(**self.call("GET", f"/collections/{name}"))

    def test_points_are_read_with_whole_numbers_as_floats(self):
        self.fill("points", {"size": 4, "distance": "Dot"})
        records = [Record(**one) for one in
                   self.call("POST", "/collections/points/points", {"ids": [1, 2, 3], "with_vector": True})]
        self.assertEqual(records[0].vector, [1.0, 0.0, 0.0, 0.0])
        self.assertEqual(len(records), 3)
        Record(**self.call("GET", "/collections/points/points/1"))
        for one in self.call("POST", "/collections/points/points/scroll", {"with_vector": True})["points"]:
            Record(**one)
        for query in ([1, 0, 0, 0], 1, {"recommend": {"positive": [1], "strategy": "best_score"}}, {"sample": "random"}):
            found = self.call("POST", "/collections/points/points/query", {"query": query, "with_vector": True})["points"]
            self.assertTrue([ScoredPoint(**one) for one in found])
        found = self.call("POST", "/collections/points/points/search", {"vector": [1, 0, 0, 0], "limit": 3})
        self.assertEqual([ScoredPoint(**one).score for one in found], [2.0, 1.0, 0.0])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
