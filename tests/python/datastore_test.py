"""The package against NumPy, and every refusal. Run by ctest, see scripts/python_package.cmake."""
import tempfile
import threading
import unittest

import numpy as np

import nestor
from reference import distribution, sample, similarities


def entries(found, q):
    tokens, logp = found.row(q)
    return {int(t): float(np.exp(l)) for t, l in zip(tokens, logp)}


class DatastoreTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.database = nestor.Database(self.directory.name, background_builds=False)
        self.keys, self.values, self.queries = sample()

    def tearDown(self):
        self.database.close()
        self.directory.cleanup()

    def store(self, metric="l2", built=True, name=None, **more):
        more.setdefault("dtype", "float32")  # what cosine normalises is not exact in float16
        store = self.database.create_datastore(name or metric, 16, metric=metric, widths=[8, 16], exact_below=100,
                                               **more)
        store.append(self.keys[:300], self.values[:300])
        if built:
            store.build(threads=1)
        store.append(self.keys[300:], self.values[300:])
        return store

    def same(self, expected, got, tolerance=1e-5):
        for token in expected.keys() | got.keys():
            self.assertAlmostEqual(expected.get(token, 0.0), got.get(token, 0.0), delta=tolerance)

    def test_a_lookup_is_the_formula_whatever_the_metric(self):
        for metric in ("l2", "dot", "cosine"):
            store = self.store(metric)
            for temp in (0.5, 5.0):
                found = store.knn_logprobs(self.queries, k=64, temp=temp, exact=True)
                self.assertEqual(len(found), len(self.queries))
                for q, query in enumerate(self.queries):
                    self.same(distribution(self.keys, self.values, query, metric=metric, temp=temp), entries(found, q))
                dense = found.dense(30)
                np.testing.assert_allclose(np.exp(dense).sum(axis=1), 1, atol=1e-5)

    def test_a_score_is_the_log_of_the_mixture_with_one_lambda_or_one_per_query(self):
        targets = np.arange(len(self.queries)) % 30
        lm = np.linspace(-5, -0.1, len(self.queries)).astype(np.float32)
        for metric in ("l2", "dot", "cosine"):
            store = self.store(metric)
            for lam in (0.25, np.linspace(0, 1, len(self.queries)).astype(np.float32)):
                got = store.score(self.queries, targets, lm, lam, k=50, temp=2.0, exact=True)
                each = np.broadcast_to(lam, len(lm))
                for q, query in enumerate(self.queries):
                    p = distribution(self.keys, self.values, query, metric=metric, k=50, temp=2.0).get(int(targets[q]), 0)
                    mixed = each[q] * p + (1 - each[q]) * np.exp(lm[q])
                    self.assertAlmostEqual(got[q], np.log(mixed) if mixed > 0 else nestor.ABSENT, delta=1e-5)

    def test_a_query_whose_lambda_is_zero_is_not_searched(self):
        store = self.store()
        lam = np.zeros(len(self.queries), dtype=np.float32)
        lam[3] = 0.5
        details = store.score(self.queries, np.zeros(len(lam), int), np.full(len(lam), -1.0), lam, k=10, details=True)
        np.testing.assert_array_equal(details["searched"] > 0, lam > 0)

    def test_search_has_the_shapes_and_signs_of_faiss(self):
        for metric in ("l2", "dot", "cosine"):
            store = self.store(metric)
            d, i = store.search(self.queries, 1000, exact=True)
            self.assertEqual((d.dtype, i.dtype, d.shape, i.shape), (np.float32, np.int64, (20, 1000), (20, 1000)))
            for q, query in enumerate(self.queries):
                s = similarities(self.keys, query, metric)
                shown = -s if metric == "l2" else s + (1 if metric == "cosine" else 0)
                np.testing.assert_allclose(d[q, :400], shown[i[q, :400]], rtol=1e-3, atol=1e-3)
                order = d[q, :400] if metric == "l2" else -d[q, :400]
                self.assertTrue((np.diff(order) >= 0).all())
            self.assertTrue((i[:, 400:] == -1).all())
            self.assertTrue(np.isinf(d[:, 400:]).all())
            self.assertEqual((d[:, 400:] > 0).all(), metric == "l2")
            one, _ = store.search(self.queries[0], 5)
            self.assertEqual(one.shape, (1, 5))

    def test_rows_are_read_by_id(self):
        for metric in ("l2", "dot"):
            store = self.store(metric)
            ids = np.array([0, 299, 300, 399])
            np.testing.assert_array_equal(store.get_vectors(ids), self.keys[ids])
            np.testing.assert_array_equal(store.values(np.append(ids, 400)), [*self.values[ids], -1])
            np.testing.assert_array_equal(store.next_ids(ids), [1, 300, 301, -1])
            d, i = store.search(self.queries, 7, exact=True)
            np.testing.assert_allclose(store.distances(self.queries, i), d, rtol=1e-4, atol=1e-4)
            missing = store.distances(self.queries[0], [5000, -1])
            self.assertTrue(np.isinf(missing).all() and (missing > 0).all() == (metric == "l2"))
            with self.assertRaises(nestor.NotFound):
                store.get_vectors([400])

    def test_weights_vote_by_either_rule(self):
        weights = 1.0 + np.arange(400) % 4
        store = self.database.create_datastore("weighted", 16, weights=True, exact_below=100)
        store.append(self.keys, self.values, weights)
        for mode in ("after_temperature", "compatible"):
            found = store.lookup(self.queries, 64, 2.0, weight_mode=mode, exact=True)
            for q, query in enumerate(self.queries):
                self.same(distribution(self.keys, self.values, query, temp=2.0, weights=weights, mode=mode),
                          entries(found, q))
        reopened = self.database.datastore("weighted")
        self.assertTrue(reopened.weights)

    def test_documents_are_left_out_and_end_pointers(self):
        documents = np.arange(400) // 50
        store = self.database.create_datastore("documents", 16, exact_below=100)
        store.append(self.keys[:200], self.values[:200], doc_ids=documents[:200])
        store.append(self.keys[200:], self.values[200:], doc_ids=documents[200:])
        store.build(threads=1)
        asked = np.arange(20) % 9 - 1
        found = store.lookup(self.queries, 64, 2.0, exclude_doc_id=asked, exact=True)
        for q, query in enumerate(self.queries):
            self.same(distribution(self.keys, self.values, query, temp=2.0, allowed=documents != asked[q]),
                      entries(found, q))
        np.testing.assert_array_equal(store.next_ids([0, 49, 50, 399]), [1, -1, 51, -1])
        for exclude in (False, True):
            at = 0
            for d, i in store.self_join(5, exclude_same_doc=exclude, block=64, exact=True):
                for row in i:
                    s = similarities(self.keys, self.keys[at], "l2")
                    s[at] = -np.inf
                    if exclude:
                        s[documents == documents[at]] = -np.inf
                    np.testing.assert_allclose(np.sort(s[row])[::-1], np.sort(s)[::-1][:5], atol=1e-4)
                    at += 1
            self.assertEqual(at, 400)

    def test_adaptive_k_stays_within_its_bound(self):
        store = self.store()
        full = store.lookup(self.queries, 256, 0.5, exact=True).dense(30)
        for eta in (0.1, 0.001):
            some = store.lookup(self.queries, 256, 0.5, eta=eta, exact=True)
            moved = 0.5 * np.abs(np.exp(full) - np.exp(some.dense(30))).sum(axis=1)
            self.assertTrue((moved <= some.bounds + 1e-6).all() and (some.bounds <= eta).all())
            self.assertTrue((some.searched <= 256).all())

    def test_mix_is_the_dense_mixture(self):
        store = self.store()
        found = store.lookup(self.queries, 32, 1.0)
        random = np.random.default_rng(3)
        lm = np.log(random.dirichlet(np.ones(30), size=20))
        lam = np.linspace(0, 1, 20)
        expected = lam[:, None] * np.exp(found.dense(30)) + (1 - lam[:, None]) * np.exp(lm)
        np.testing.assert_allclose(np.exp(found.mix(lm, lam)), expected, atol=1e-5)

    def test_what_was_written_is_there_after_reopening(self):
        store = self.store(built=False)
        before = store.search(self.queries, 5)[1]
        del store
        self.database.close()
        self.database = nestor.Database(self.directory.name)
        again = self.database.datastore("l2")
        self.assertEqual(len(again), 400)
        np.testing.assert_array_equal(again.search(self.queries, 5)[1], before)
        self.assertEqual(again.append(self.keys[:2], self.values[:2]), 400)

    def test_any_layout_and_type_of_array_is_taken(self):
        store = self.store()
        plain = store.search(self.queries, 5)[1]
        for form in (self.queries.astype(np.float64), np.asfortranarray(self.queries), self.queries.tolist(),
                     np.repeat(self.queries, 2, axis=0)[::2]):
            np.testing.assert_array_equal(store.search(form, 5)[1], plain)

    def test_threads_search_at_once(self):
        store = self.store()
        plain = store.search(self.queries, 5)[1]
        wrong = []

        def ask():
            for _ in range(20):
                if not (store.search(self.queries, 5, threads=1)[1] == plain).all():
                    wrong.append(1)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_refusals_name_the_value_and_write_nothing(self):
        store = self.store()
        bad = self.keys[:2].copy()
        bad[1, 3] = np.nan
        refused = [
            (lambda: store.append(bad, [1, 2]), "not finite"),
            (lambda: store.append(self.keys[:2], [1]), "1 values for 2 keys"),
            (lambda: store.append(self.keys[:2], [1, -100]), "-100"),
            (lambda: store.append(self.keys[:2], [1.5, 2]), "integers"),
            (lambda: store.append(self.keys[:2], [1, 2], [1, 0]), "above 0"),
            (lambda: store.append(self.keys[:2, :3], [1, 2]), "x 16"),
            (lambda: store.search(self.queries[:, :3], 5), "expected dim: 16"),
            (lambda: store.search(self.queries, 0), "out of range"),
            (lambda: store.search(self.queries, 5000), "out of range"),
            (lambda: store.search(self.queries, 5, eff=3), "unknown search option"),
            (lambda: store.search(self.queries[None], 5), "3 dimensions"),
            (lambda: store.lookup(self.queries, 5, 0.0), "temperature"),
            (lambda: store.lookup(self.queries, 5, eta=2.0), "eta"),
            (lambda: store.score(self.queries, [1], np.zeros(20), 0.5), "1 targets"),
            (lambda: store.score(self.queries, np.ones(20, int), np.zeros(20), 1.5), "0..1"),
            (lambda: store.lookup(self.queries, 5, weight_mode="odd"), "weight_mode"),
            (lambda: self.database.create("bad", 0), "dim"),
            (lambda: self.database.create("bad", 4, metric="odd"), "unknown metric"),
        ]
        for call, text in refused:
            with self.assertRaises(ValueError) as caught:
                call()
            self.assertIn(text, str(caught.exception))
        self.assertEqual(len(store), 400)
        with self.assertRaises(nestor.AlreadyExists):
            self.database.create_datastore("l2", 16)
        with self.assertRaises(nestor.NotFound):
            self.database.datastore("nothing")
        with self.assertRaises(nestor.FailedPrecondition):
            nestor.Database(self.directory.name)  # held by this process


class CollectionTest(unittest.TestCase):
    def test_points_with_uuids_and_payloads_are_written_read_and_erased(self):
        with tempfile.TemporaryDirectory() as directory, nestor.Database(directory) as database:
            collection = database.create("books", 4, widths=[2, 4])
            uuid = "550e8400-e29b-41d4-a716-446655440000"
            collection.upsert([1, uuid], np.eye(4)[:2], payloads=[{"title": "Bleak House"}, None])
            self.assertEqual(len(collection), 2)
            self.assertEqual(collection.get(1)["payload"], {"title": "Bleak House"})
            self.assertIsNone(collection.get(2))
            answer = collection.query(np.eye(4)[1], 1, explain=True)
            self.assertEqual(answer["hits"][0]["id"], uuid)
            self.assertTrue(answer["stages"])
            with self.assertRaisesRegex(nestor.FailedPrecondition, "UUID"):
                collection.search(np.eye(4)[1], 2)
            collection.erase([uuid])
            d, i = collection.search(np.eye(4)[1], 2)
            self.assertEqual(i.tolist(), [[1, -1]])
            self.assertEqual(database.names(), ["books"])
            self.assertTrue(database.delete("books"))
            self.assertNotIn("books", database)


if __name__ == "__main__":
    unittest.main()
