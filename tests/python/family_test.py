"""Merge, pointers, gate, adapter, dispersion, candidates. Run by ctest, see scripts/python_package.cmake."""
import tempfile
import unittest

import numpy as np

import nestor
from reference import sample


class FamilyTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.database = nestor.Database(self.directory.name, background_builds=False)

    def tearDown(self):
        self.database.close()
        self.directory.cleanup()

    def test_a_merge_keeps_the_distribution_of_rows_that_repeat(self):
        keys, values, queries = sample(rows=150)
        keys, values = np.repeat(keys, 3, axis=0), np.repeat(values, 3)
        store = self.database.create_datastore("all", 16)
        store.append(keys, values)
        weights = store.merge_weights(2, exact=True)
        self.assertEqual(weights.sum(), len(keys))
        self.assertEqual((weights > 0).sum(), 150)
        merged = store.merge_into(self.database, "merged", weights)
        self.assertEqual(len(merged), 150)
        # Three equal rows or one of weight 3: the same votes, as long as k takes all of them.
        before = store.lookup(queries, 450, 2.0, exact=True).dense(30)
        after = merged.lookup(queries, 150, 2.0, exact=True).dense(30)
        np.testing.assert_allclose(np.exp(before), np.exp(after), atol=1e-5)

    def test_pointers_follow_the_text_and_search_only_when_they_run_out(self):
        random = np.random.default_rng(1)
        keys = random.normal(size=(60, 16)).astype(np.float32)
        values = np.arange(60)
        store = self.database.create_datastore("text", 16, dtype="float32")
        store.append(keys, values)
        automaton = nestor.RetoMaton(store, k=4)
        for at in range(20, 30):  # reading the datastore's own text again
            d, i = automaton.neighbours(keys[at])
            self.assertEqual(i[0], at)
            self.assertAlmostEqual(float(d[0]), 0, delta=1e-5)
            automaton.emit(int(values[at]))
        self.assertEqual((automaton.steps, automaton.searches), (10, 1))
        automaton.emit(999)  # nobody said that
        automaton.neighbours(keys[0])
        self.assertEqual(automaton.searches, 2)

    def test_pointers_search_for_fewer_neighbours_where_few_hold_the_mass(self):
        keys = np.random.default_rng(2).normal(size=(60, 16)).astype(np.float32)
        store = self.database.create_datastore("few", 16, dtype="float32")
        store.append(keys, np.arange(60))
        for temp, found in ((0.1, 5), (100.0, 40)):
            d, i = nestor.RetoMaton(store, k=40, eta=0.05, temp=temp).neighbours(keys[3])
            self.assertEqual((len(d), len(i), i[0]), (found, found, 3))
        for bad in ({"eta": 1}, {"eta": -0.1}, {"eta": 0.1, "temp": 0}):
            with self.assertRaises(ValueError):
                nestor.RetoMaton(store, **bad)
        with self.assertRaisesRegex(ValueError, "metric l2"):
            nestor.RetoMaton(self.database.create_datastore("dot", 16, metric="dot"), eta=0.1)
        with self.assertRaisesRegex(nestor.Error, 'unknown collection option "walk_code", expected one of: dim'):
            self.database.create("typo", 16, walk_code="whole")
        with self.assertRaisesRegex(nestor.Error, "auto, whole, leading_bits"):
            self.database.create("typo", 16, walk_codes="half")
        self.assertNotIn("typo", self.database.names())

    def test_clusters_add_rows_that_are_near_the_pointers(self):
        clusters = nestor.Clusters([0, 0, 0, 1, 1, 2])
        np.testing.assert_array_equal(sorted(clusters.extend(np.array([1, 3, 4]), 10)), [0, 1, 2, 3, 4])
        self.assertEqual(clusters.extend(np.array([1, 3, 4]), 3).tolist(), [1, 3, 4])
        near = np.array([[1, 2], [0, 2], [0, 1], [4, -1], [3, -1]])
        np.testing.assert_array_equal(nestor.Clusters.greedy(near).of_row, [0, 0, 0, 1, 1])
        np.testing.assert_array_equal(nestor.Clusters.greedy(near, size=2).of_row, [0, 0, 1, 2, 2])

    def test_a_gate_learns_where_neighbours_help_and_skips_the_share_asked_for(self):
        random = np.random.default_rng(2)
        x = random.normal(size=(2000, 3))
        helps = x[:, 0] > 0
        knn = np.where(helps, np.log(0.8), np.log(0.01))
        lm = np.where(helps, np.log(0.1), np.log(0.5))
        gate = nestor.SkipGate(hidden=8).fit(x[:1000], knn[:1000], lm[:1000]).choose(x[:1000], 0.5)
        lam = gate(x[1000:])
        self.assertAlmostEqual((lam == 0).mean(), 0.5, delta=0.05)
        self.assertGreater(((lam > 0) == helps[1000:]).mean(), 0.9)
        mixed = np.log(lam * np.exp(knn[1000:]) + (1 - lam) * np.exp(lm[1000:]))
        fixed = np.log(0.25 * np.exp(knn[1000:]) + 0.75 * np.exp(lm[1000:]))
        self.assertGreater(mixed.mean(), fixed.mean())
        with self.assertRaises(ValueError):
            gate.choose(x, 1.5)

    def test_a_gate_that_cannot_know_stays_near_the_best_constant(self):
        random = np.random.default_rng(7)
        x = random.normal(size=(1200, 200))  # more to overfit with than to learn from
        helps = random.random(1200) < 0.5
        knn, lm = np.where(helps, np.log(0.8), np.log(0.01)), np.where(helps, np.log(0.1), np.log(0.5))
        gate = nestor.SkipGate().fit(x[:400], knn[:400], lm[:400])

        def loss(lam):
            return -np.log(lam * np.exp(knn[400:]) + (1 - lam) * np.exp(lm[400:])).mean()

        constant = min(loss(lam) for lam in np.arange(1, 100) / 100)
        self.assertLess(loss(gate.weights(x[400:])), 1.02 * constant)
        with self.assertRaises(ValueError):
            nestor.SkipGate().fit(x[:400], knn[:399], lm[:400])

    def test_the_gate_gradient_is_the_slope_of_its_loss(self):
        random = np.random.default_rng(3)
        x, knn, lm = random.normal(size=(50, 2)), -random.exponential(size=50), -random.exponential(size=50)
        gate = nestor.SkipGate(hidden=3, steps=1, l2=0.0).fit(x, knn, lm)
        x = (x - gate.mean) / gate.scale
        gate._p[2] += random.normal(size=3)  # learning starts at 0, where the first layer has no slope

        def loss():
            lam = gate._forward(x)[1]
            return (-np.log(lam * np.exp(knn) + (1 - lam) * np.exp(lm)) + gate.l1 * lam).mean()

        for p, g in zip(gate._p, gate._gradients(x, np.exp(knn), np.exp(lm))):
            for at in np.ndindex(p.shape):
                kept, step = p[at], 1e-5
                p[at] = kept + step
                high = loss()
                p[at] = kept - step
                low = loss()
                p[at] = kept
                self.assertAlmostEqual(g[at], (high - low) / (2 * step), delta=1e-6)

    def test_confidence_features_are_log_max_and_entropy(self):
        logp = np.log(np.array([[0.5, 0.5], [1.0 - 1e-12, 1e-12]]))
        np.testing.assert_allclose(nestor.confidence_features(logp), [[np.log(0.5), np.log(2)], [0, 0]], atol=1e-9)
        self.assertTrue(np.isfinite(nestor.confidence_features([[0.0, -np.inf]])).all())

    def test_an_adapter_brings_a_rotated_student_back(self):
        keys, values, queries = sample(queries=120)
        store = self.database.create_datastore("teacher", 16, dtype="float32")
        store.append(keys, values)
        turn = np.linalg.qr(np.random.default_rng(4).normal(size=(16, 16)))[0]
        student = 3 * queries @ turn + 1
        adapter = nestor.LinearAdapter(1e-6).fit(student[:60], queries[:60])
        raw = nestor.overlap_report(store, queries[60:], student[60:], (10,), exact=True)
        adapted = nestor.overlap_report(store, queries[60:], adapter(student[60:]), (1, 10), exact=True)
        self.assertGreater(adapted[10], 0.99)
        self.assertGreater(adapted[10], raw[10])
        self.assertEqual(nestor.overlap_at_k([[1, 2, -1]], [[2, 3, 4]]), 0.5)
        with self.assertRaises(ValueError):
            adapter.fit(student[:3], queries[:4])

    def test_dispersion_is_the_mean_over_pairs(self):
        keys, _, queries = sample(rows=80)
        unit = keys / np.linalg.norm(keys, axis=1, keepdims=True)
        pairs = 1 - unit @ unit.T
        expected = pairs[np.triu_indices(80, 1)].mean()
        whole = nestor.measure(keys, [8, 16], block=17)
        self.assertAlmostEqual(whole.value(1), expected, delta=1e-6 * expected)
        part = nestor.measure(keys[:30], [8, 16])
        part.merge(nestor.measure(keys[30:], [8, 16]))
        self.assertAlmostEqual(part.value(0), whole.value(0), delta=1e-9)
        rest = nestor.measure(queries, [8, 16])
        asked = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        self.assertAlmostEqual(whole.gap(rest, 1), expected + (1 - unit @ asked.T).mean(), delta=1e-5)

    def test_candidates_are_scored_by_their_evidence(self):
        candidates, evidence = np.eye(3)[:2], np.array([[2.0, 0, 0], [0, 0, 1]])
        np.testing.assert_allclose(nestor.score_candidates(candidates, evidence), [1, 0], atol=1e-6)
        np.testing.assert_allclose(nestor.score_candidates(candidates, evidence, by="mean"), [0.5, 0], atol=1e-6)
        np.testing.assert_allclose(nestor.score_candidates(candidates, evidence, metric="l2"), [-1, -2], atol=1e-6)
        for bad in (dict(by="odd"), dict(metric="odd")):
            with self.assertRaises(ValueError):
                nestor.score_candidates(candidates, evidence, **bad)
        with self.assertRaisesRegex(ValueError, "no evidence"):
            nestor.score_candidates(candidates, np.empty((0, 3)))


if __name__ == "__main__":
    unittest.main()
