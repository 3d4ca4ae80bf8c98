"""What Python users give: refused by name where it does not fit, and never bent."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid

import numpy as np

import nestor

LARGE = [2**63, 2**64 - 1]


class ArgumentsTestCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.database = nestor.Database(self.directory.name)
        self.addCleanup(self.directory.cleanup)
        self.addCleanup(self.database.close)

    def refused(self, kind, pattern, call, *arguments, **options):
        """The error, which is short whatever was given."""
        with self.assertRaisesRegex(kind, pattern) as caught:
            call(*arguments, **options)
        self.assertIsInstance(caught.exception, nestor.InvalidArgument)
        self.assertLess(len(str(caught.exception)), 400)
        return caught.exception


class Payloads(ArgumentsTestCase):
    def setUp(self):
        super().setUp()
        self.collection = self.database.create("c", 2, metric="l2")

    def deep(self, levels):
        payload = inner = {}
        for _ in range(levels - 1):
            inner["a"] = {}
            inner = inner["a"]
        return payload

    def test_what_json_cannot_say_is_refused_with_nothing_written(self):
        rows = np.ones((2, 2), np.float32)
        for payload, said in (({"x": float("nan")}, r"payloads\[1\] cannot be said in JSON"),
                              ({"x": {"y": [float("inf")]}}, r"payloads\[1\]"), ({"x": np.float32("-inf")}, r"payloads\[1\]"),
                              ({"x": "\ud800"}, "point 2 .*lone surrogate"), ({"\udc00": 1}, "point 2 .*lone surrogate"),
                              ([1, 2], r"payloads\[1\] must be a mapping"), ("hello", r"payloads\[1\] must be a mapping"),
                              (5, r"payloads\[1\] must be a mapping"), ({"x": object()}, "object is no value of JSON"),
                              ({"x": b"bytes"}, "bytes is no value of JSON"), ({"x": 10**400}, "number out of range"),
                              (self.deep(129), "nested deeper than 128"), (self.deep(100_000), r"payloads\[1\]")):
            self.refused(ValueError, said, self.collection.upsert, [1, 2], rows, payloads=[{"k": "a"}, payload])
        self.refused(TypeError, "payloads must be a list of mappings", self.collection.upsert, [1], rows[:1],
                     payloads={"a": 1})
        self.refused(ValueError, "one per id, got 1 for 2 ids", self.collection.upsert, [1, 2], rows, payloads=[{}])
        self.assertEqual(len(self.collection), 0)
        self.refused(ValueError, "attributes", self.database.create, "d", 2, attributes={"x": float("nan")})
        self.refused(TypeError, "attributes", self.database.create, "d", 2, attributes=[1])

    def test_what_json_can_say_comes_back(self):
        payload = {"ü": "\U0001f600", "n": [1, -2.5, None, True], "deep": self.deep(127), "big": 2**64 - 1}
        numpy = {"i": np.int64(3), "f": np.float32(0.5), "b": np.bool_(True), "a": np.arange(3), "s": np.str_("x")}
        self.collection.upsert([1, 2, 3], np.ones((3, 2)), payloads=iter([payload, numpy, None]))
        self.assertEqual(self.collection.get(1)["payload"], payload)
        self.assertEqual(self.collection.get(2)["payload"], {"i": 3, "f": 0.5, "b": True, "a": [0, 1, 2], "s": "x"})
        self.assertEqual(self.collection.get(3)["payload"], {})

    def test_a_value_and_the_token_of_its_payload_are_one(self):
        self.collection.upsert([1, 2, 3], np.ones((3, 2)), values=[4, 5, 6], payloads=[None, {"a": 1}, {"token": 6}])
        for point, payload in ((1, {"token": 4}), (2, {"a": 1, "token": 5}), (3, {"token": 6})):
            record = self.collection.get(point)
            self.assertEqual((record["payload"], record["value"]), (payload, payload["token"]))
        self.collection.upsert([4], np.ones((1, 2)), payloads=[{"token": 7}])
        self.assertEqual(self.collection.get(4)["value"], 7)
        self.refused(ValueError, "point 5 has the token 9, but the point's value is 3", self.collection.upsert, [5],
                     np.ones((1, 2)), values=[3], payloads=[{"token": 9}])

    def test_tokens_are_refused_rather_than_cut(self):
        for values, said in (([2**32 + 5], "0..4294967294, got 4294967301"), ([2**32 - 1], "0..4294967294"),
                             ([-1], "got -1"), ([1.5], "integers"), (["3"], "integers"), ([True], "integers"),
                             ([1, 2], "2 values for 1 ids"), ([2**70], "values must lie in")):
            self.refused(ValueError, said, self.collection.upsert, [1], np.zeros((1, 2)), values=values)
            self.refused(ValueError, "", nestor.Datastore(self.collection).append, np.zeros((1, 2)), values)
        store = nestor.Datastore(self.collection)
        self.refused(ValueError, "doc_ids", store.append, np.zeros((1, 2)), [1], doc_ids=[2**64 - 1])
        self.refused(ValueError, "targets", store.score, np.zeros((1, 2)), [2**32 + 1], [0.0])
        self.refused(ValueError, "values", nestor.greedy_merge, [2**32 + 1, 1], [[1], [0]])
        self.assertEqual(len(self.collection), 0)


class Ids(ArgumentsTestCase):
    def setUp(self):
        super().setUp()
        self.collection = self.database.create("c", 2, metric="l2")

    def test_ids_of_all_64_bits_come_back_as_they_are(self):
        rows = np.array([[0, 0], [1, 1]], dtype=np.float32)
        for ids in (LARGE, np.array(LARGE, dtype=np.uint64), [np.uint64(i) for i in LARGE]):
            self.collection.upsert(ids, rows)
        distances, found = self.collection.search(rows, 3)
        self.assertEqual(found.tolist(), [[*LARGE, -1], [*LARGE[::-1], -1]])
        self.assertTrue(np.isinf(distances[:, 2]).all())
        self.assertEqual(self.collection.query(rows[1], 1)["hits"][0]["id"], LARGE[1])
        self.assertEqual(self.collection.get(LARGE[1])["id"], LARGE[1])
        store = nestor.Datastore(self.collection)
        np.testing.assert_array_equal(store.get_vectors(found[0, :2]), rows)
        self.assertEqual(store.distances(rows[0], found[0])[:2].tolist(), [0, 2])
        self.assertEqual(store.distances(rows[0], [-1, 5]).tolist(), [np.inf, np.inf])
        self.assertEqual(store.values(found).tolist(), [[-1] * 3] * 2)
        self.collection.upsert([2**63 + 1], rows[:1])
        self.assertEqual(store.next_ids([2**63, 2**64 - 1, -1]).tolist(), [2**63 + 1, -1, -1])
        self.collection.erase(LARGE)
        self.assertEqual(len(self.collection), 1)

    def test_ids_within_int64_stay_int64(self):
        self.collection.upsert([2**63 - 1], np.zeros((1, 2)))
        _, found = self.collection.search([0, 0], 2)
        self.assertEqual((found.dtype, found.tolist()), (np.int64, [[2**63 - 1, -1]]))

    def test_uuids_and_numpy_integers_are_ids(self):
        names = [uuid.uuid4(), np.int8(7), np.uint32(8), str(uuid.UUID(int=9)), uuid.UUID(int=10).hex]
        self.collection.upsert(names, np.zeros((5, 2)))
        self.assertEqual(self.collection.get(names[0])["id"], str(names[0]))
        self.assertEqual(self.collection.get(np.int64(7))["id"], 7)
        self.assertEqual(self.collection.get(uuid.UUID(int=10))["id"], str(uuid.UUID(int=10)))
        self.collection.erase(names)
        self.assertEqual(len(self.collection), 0)

    def test_what_is_no_id_is_refused_by_its_place(self):
        rows = np.zeros((2, 2))
        for bad, kind, said in ((-1, ValueError, "must lie in 0..18446744073709551615, got -1"), (2**64, ValueError, "0.."),
                                (1.0, TypeError, "whole number or a UUID"), (True, TypeError, "whole number or a UUID"),
                                (None, TypeError, "got None"), (b"ab", TypeError, "whole number"),
                                ("doc1", ValueError, "uuid5"), (np.float64(1), TypeError, "whole number")):
            self.refused(kind, r"ids\[1\] .*" + said, self.collection.upsert, [1, bad], rows)
            self.refused(kind, r"ids\[0\] .*" + said, self.collection.erase, [bad])
            self.refused(kind, "id .*" + said, self.collection.get, bad)
        for bad in ("12", 5, {1: 2}, None):
            self.refused(TypeError, "ids must be a list of ids", self.collection.upsert, bad, rows)
        store = nestor.Datastore(self.collection)
        for call in (store.get_vectors, store.values, store.next_ids):
            for bad in ([-2], [1.5], [2**64], np.array([-2]), np.array([0.5]), ["1"]):
                self.refused(ValueError, "ids must", call, bad)
        self.refused(ValueError, "entry_ids", store.search, rows, 1, entry_ids=[1.5])
        self.assertEqual(len(self.collection), 0)

    def test_documents_from_2_to_the_63_are_left_out_like_others(self):
        store = self.database.create_datastore("d", 2)
        store.append(np.eye(2), [1, 2], doc_ids=np.array([2**63 + 5, 3], dtype=np.uint64))
        _, found = store.search([1, 0], 2, exclude_doc_id=2**63 + 5)
        self.assertEqual(found.tolist(), [[1, -1]])
        _, found = store.search(np.eye(2), 2, exclude_doc_id=[-1, 3])
        self.assertEqual(found.tolist(), [[0, 1], [0, -1]])


class Shapes(ArgumentsTestCase):
    def test_vectors_are_count_by_dim_and_not_only_as_many_numbers(self):
        collection = self.database.create("c", 4, metric="l2")
        for ids, vectors in (([8, 9], np.ones((4, 2))), ([8, 9], np.ones(8)), ([8, 9], np.ones((1, 8))),
                             ([8], np.ones((2, 2))), ([8, 9], np.ones((2, 2, 2))), ([8, 9], [[1, 2, 3, 4], [1, 2]]),
                             ([8], [["a"] * 4]), ([8], np.ones((1, 4), complex)), ([8], None), ([], np.ones((1, 4)))):
            self.refused(ValueError, "vectors must be an array", collection.upsert, ids, vectors)
        self.assertEqual(len(collection), 0)
        collection.upsert([], [])
        collection.upsert([1], [1, 2, 3, 4])
        column = np.empty(2, dtype=object)
        column[:] = [np.ones(4), np.zeros(4)]  # as pandas keeps arrays
        collection.upsert([2, 3], column)
        np.testing.assert_array_equal(collection.get(2)["vector"], np.ones(4))
        for vector in (np.ones((2, 2)), np.ones((1, 2, 2)), 3.0, "1234", None):
            self.refused(ValueError, "vector", collection.query, vector)
        self.refused(ValueError, "queries must be an array", collection.search, ["a", "b", "c", "d"])

    def test_arrays_that_belong_together_are_held_against_each_other(self):
        store = self.database.create_datastore("d", 4)
        self.assertEqual(store.append([], []), 0)
        store.append(np.eye(4), [1, 2, 3, 4])
        for keys in (np.ones((4, 2)), np.ones(4), np.ones((1, 8))):
            self.refused(ValueError, r"keys must be an array \[count x 4\]", store.append, keys, [1] * len(keys))
        self.refused(ValueError, "2 weights for 1 keys", store.append, np.ones((1, 4)), [1], [1.0, 2.0])
        self.refused(ValueError, r"ids must be an array \[2 x n\]", store.distances, np.eye(4)[:2], [[0, 1, 2, 3]] * 4)
        self.refused(ValueError, r"ids must be an array \[2 x n\]", store.distances, np.eye(4)[:2], [0, 1])
        self.assertEqual(store.distances(np.eye(4)[:2], [[0, 1], [0, 1]]).tolist(), [[0, 2], [2, 0]])
        self.refused(ValueError, "neighbours", nestor.greedy_merge, [1, 1, 1, 1], [[0, 1, 2, 3]])
        self.refused(ValueError, "evidence", nestor.score_candidates, np.ones((2, 4)), np.ones((4, 2)))
        self.refused(ValueError, "rows", nestor.Dispersion([4]).add, np.ones((4, 2)))
        self.refused(ValueError, "vectors", nestor.measure, np.ones(4))


class Scalars(ArgumentsTestCase):
    def test_wrong_scalars_name_the_argument_and_what_it_may_be(self):
        collection = self.database.create("c", 4, metric="l2")
        collection.upsert([1], np.ones((1, 4)))
        store = nestor.Datastore(collection)
        query = np.ones(4)
        for options, kind, said in (({"k": 3.0}, TypeError, r"k must be a whole number, got 3.0 \(float\)"),
                                    ({"k": -1}, ValueError, "k must lie in 0"), ({"k": "3"}, TypeError, "k must be"),
                                    ({"k": True}, TypeError, "k must"), ({"k": np.ones(100_000)}, TypeError, "k must"),
                                    ({"width": 2.0}, TypeError, "width must"), ({"ef": "9"}, TypeError, "ef must"),
                                    ({"exact": "no"}, TypeError, "exact must be True or False"),
                                    ({"distance_gap": "0.1"}, TypeError, "distance_gap must be a number"),
                                    ({"stages": [64]}, TypeError, "stages must be a list of pairs"),
                                    ({"stages": [(4, 1.5)]}, TypeError, "a shortlist"),
                                    ({"encoder": 3}, TypeError, "encoder must be a string")):
            for call in (collection.search, collection.query, store.search, store.lookup):
                self.refused(kind, said, call, query, **options)
        for call, options, said in ((collection.search, {"threads": 1.5}, "threads must"),
                                    (store.lookup, {"temp": "1"}, "temp must be a number"),
                                    (store.lookup, {"topm": 2.5}, "topm must"), (store.lookup, {"eta": "1"}, "eta must"),
                                    (collection.calibrate, {"k": 1.5}, "k must"),
                                    (collection.calibrate, {"confidence": "0.9"}, "confidence must"),
                                    (collection.tune, {"recall": "0.9"}, "recall must")):
            self.refused(TypeError, said, call, query, **options)
        self.refused(TypeError, "threads must", collection.build, "2")
        self.refused(TypeError, "deterministic must be True or False", collection.build, 1, 1)
        collection.search(query, np.int64(3), exact=np.bool_(True), distance_gap=np.float32(0.1))

    def test_options_of_a_collection_name_the_one_that_is_wrong(self):
        for options, said in (({"dim": "384"}, r"dim must be a whole number, got '384' \(str\)"), ({"dim": 4.0}, "dim must"),
                              ({"dim": 4, "widths": 2}, "widths must be a list"), ({"dim": 4, "widths": [2.0]}, "widths must"),
                              ({"dim": 4, "metric": 3}, "metric must be a string"), ({"dim": 4, "dtype": 16}, "dtype must"),
                              ({"dim": 4, "max_links": "16"}, "max_links must"), ({"dim": 4, "seed": 1.5}, "seed must")):
            self.refused(TypeError, said, self.database.create, "c", **options)
        self.refused(ValueError, "dim must lie in", self.database.create, "c", -1)
        self.refused(TypeError, "name must be a string", self.database.create, 3, 4)
        self.refused(TypeError, "path must be a path", nestor.Database, 3)
        self.refused(TypeError, "create must be True or False", nestor.Database, self.directory.name + "/x", create="no")
        self.assertEqual(self.database.create("half", np.int64(4), dtype=np.float16).info()["dtype"], "float16")

    def test_ranking_metrics_take_what_files_take(self):
        self.assertEqual(nestor.ranking_metric("ndcg", [2, 1], [1, -1]), 1.0)
        self.assertAlmostEqual(nestor.ranking_metric("ndcg", [3, 2], [-2, 1]), 0.6309297535714575)
        self.assertEqual(nestor.ranking_metric("ndcg", [2, 1], [2000, 1]), 1.0)
        self.refused(ValueError, "finite dcg", nestor.ranking_metric, "dcg", [2], [2000])
        self.refused(ValueError, "one length", nestor.ranking_metric, "ndcg", [[1, 2]], [[1, 0]])
        self.refused(ValueError, "is nan", nestor.evaluate, {"q": {"a": float("nan")}}, {"q": {"a": 1}})
        self.refused(TypeError, "must be a string", nestor.evaluate, {"q": {"a": 1}}, {"q": {1: 1}})


class Closing(ArgumentsTestCase):
    def test_what_a_closed_database_gave_out_says_so(self):
        collection = self.database.create("c", 4, metric="l2")
        store = self.database.create_datastore("d", 4)
        self.database.close()
        self.database.close()
        for call in (self.database.names, lambda: self.database.create("e", 4), lambda: "c" in self.database,
                     lambda: len(collection), collection.info, lambda: collection.search(np.ones(4)),
                     lambda: collection.upsert([1], np.ones((1, 4))), lambda: collection.get(1), collection.build,
                     collection.certificates, collection.tune, lambda: len(store), lambda: store.search(np.ones(4), 1),
                     lambda: store.append(np.ones((1, 4))), lambda: store.values([1]), lambda: nestor.Datastore(collection)):
            with self.assertRaisesRegex(nestor.FailedPrecondition, "closed"):
                call()
        self.assertEqual(collection.name, "c")
        self.assertIn("closed", repr(collection))
        self.assertIn("closed", repr(self.database))
        with nestor.Database(self.directory.name) as again:  # nothing holds the directory any more
            self.assertEqual(again.names(), ["c", "d"])

    def test_a_directory_in_use_by_this_process_says_what_holds_it(self):
        collection = self.database.create("books", 4)
        with self.assertRaisesRegex(nestor.FailedPrecondition,
                                    f"this very process {os.getpid()}.*held by <nestor.Database .*'books' in use"):
            nestor.Database(self.directory.name)
        self.assertEqual(len(collection), 0)

    def test_a_collection_keeps_its_database_open(self):
        with tempfile.TemporaryDirectory() as directory:
            collection = nestor.Database(directory).create("c", 4)
            collection.upsert([1], np.ones((1, 4)))
            self.assertEqual(len(collection), 1)
            collection._database.close()


class Interrupting(unittest.TestCase):
    PROGRAM = """
import signal, sys, numpy as np, nestor
signal.signal(signal.SIGINT, signal.default_int_handler)
with nestor.Database(sys.argv[1], background_builds=False) as database:
    collection = database.create("c", 64, metric="l2", candidates_at_build=400, max_links=32)
    rows = np.random.default_rng(1).standard_normal((60_000, 64), dtype=np.float32)
    collection.upsert(range(len(rows)), rows)
    try:
        print("building", flush=True)
        collection.build(threads=1)
        print("built", flush=True)
    except KeyboardInterrupt:
        print("interrupted", len(collection), collection.search(rows[:1], 1)[1].tolist(), flush=True)
    print(collection.info()["building"], flush=True)
"""

    def test_ctrl_c_ends_a_build_and_keeps_the_rows(self):
        with tempfile.TemporaryDirectory() as directory:
            process = subprocess.Popen([sys.executable, "-c", self.PROGRAM, directory], stdout=subprocess.PIPE, text=True)
            guard = threading.Timer(240, process.kill)
            guard.start()
            try:
                self.assertEqual(process.stdout.readline(), "building\n")
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.stdout.read(), "interrupted 60000 [[0]]\nFalse\n")
                process.stdout.close()
                self.assertEqual(process.wait(), 0)
            finally:
                guard.cancel()
                process.kill()
                process.wait()


if __name__ == "__main__":
    unittest.main()
