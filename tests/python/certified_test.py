"""Calibration, certified targets, tuning and ranking metrics from Python. Run by ctest, see scripts/python_package.cmake."""
import tempfile
import unittest

import numpy as np

import nestor

DIM = 16


def vectors(count, seed):
    scale = (1 + np.arange(DIM)) ** -0.5
    return (np.random.default_rng(seed).normal(size=(count, DIM)) * scale).astype(np.float32)


class CertifiedTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.database = nestor.Database(self.directory.name, background_builds=False)
        self.collection = self.database.create("c", DIM, metric="l2", widths=[8, 16], exact_below=100, max_links=8,
                                               candidates_at_build=40)
        self.rows = vectors(3000, 1)
        self.collection.upsert(range(3000), self.rows)
        self.collection.build(threads=1, deterministic=True)

    def tearDown(self):
        self.database.close()
        self.directory.cleanup()

    def recall(self, **options):
        queries = vectors(300, 3)
        _, found = self.collection.search(queries, **options)
        _, exact = self.collection.search(queries, exact=True)
        return np.mean([len(set(f) & set(e)) / 10 for f, e in zip(found, exact)])

    def test_a_recall_is_certified_served_and_dropped(self):
        query = vectors(1, 9)[0]
        self.assertFalse(self.collection.query(query, target_recall=0.9)["certification"]["certified"])
        report = self.collection.calibrate(vectors(600, 2), [0.8, 0.9], second_look=False, encoder="e")
        self.assertEqual(report["split"], (120, 360, 120))
        self.assertEqual([o["epsilon"] for o in report["outcomes"]], [0.2, 0.1])
        listed = self.collection.certificates()
        self.assertEqual([c["id"] for c in listed], [1, 2])
        self.assertTrue(all(c["in_force"] and c["encoder"] == "e" for c in listed))
        said = self.collection.query(query, target_recall=0.9, encoder="e")["certification"]
        self.assertTrue(said["certified"])
        self.assertEqual(said["certificate"], 2)
        self.assertFalse(self.collection.query(query, target_recall=0.9, encoder="f")["certification"]["certified"])
        self.assertNotIn("certification", self.collection.query(query))
        self.assertGreaterEqual(self.recall(target_recall=0.9), 0.88)
        self.assertEqual(self.recall(target_recall=1), 1)
        self.assertEqual(self.collection.drop_certificates(), 2)
        self.assertEqual(self.collection.certificates(), [])

    def test_rows_stand_in_and_a_dry_run_keeps_nothing(self):
        report = self.collection.calibrate(tail=0.8, share=0.2, rows=300, test="clopper-pearson", second_look=False,
                                           dry_run=True)
        self.assertIn("Rows are not queries", report["warnings"][0])
        self.assertEqual(self.collection.certificates(), [])
        with self.assertRaisesRegex(nestor.InvalidArgument, "too few"):
            self.collection.calibrate(vectors(50, 2), 0.99)
        with self.assertRaisesRegex(nestor.InvalidArgument, "unknown"):
            self.collection.calibrate(vectors(600, 2), test="guess")
        with self.assertRaisesRegex(nestor.InvalidArgument, "leave out ef"):
            self.collection.search(self.rows[:1], target_recall=0.9, ef=50)

    def test_tuning_changes_what_searches_without_options_do(self):
        before = self.recall()
        dry = self.collection.tune(vectors(400, 2), 0.6, dry_run=True)
        self.assertTrue(dry["reached"])
        self.assertEqual(self.recall(), before)
        self.collection.tune(vectors(400, 2), 0.6)
        low = self.recall()
        self.assertLess(low, before)
        self.assertGreater(low, 0.5)
        self.collection.tune(vectors(400, 2), 0.99)
        self.assertGreater(self.recall(), 0.97)


class EvaluationTest(unittest.TestCase):
    def test_metrics_are_those_of_rax(self):
        self.assertAlmostEqual(nestor.ranking_metric("ndcg", [2, 1, 3], [2, 0, 1]), 0.79671, places=5)
        self.assertAlmostEqual(nestor.ranking_metric("mrr", [2, 1, 3], [1, 0, 0]), 0.5)
        self.assertEqual(nestor.ranking_metric("precision", [2, 1, 3], [1, 0, 0], cutoff=1), 0)
        with self.assertRaises(nestor.InvalidArgument):
            nestor.ranking_metric("ndcg", [1, 2], [1])

    def test_a_run_is_scored_query_by_query(self):
        run = {"q1": {"10": 1.0, "9": 1.0, "a": 0.5}, "q3": {"x": 1.0}}
        qrels = {"q1": {"9": 1, "b": 1}, "q2": {"a": 1}}
        table = nestor.evaluate(run, qrels, ["recall@1", "recall", "mrr"])
        self.assertEqual(table["q1"], {"recall@1": 0.5, "recall": 0.5, "mrr": 1.0})  # of equal scores 9 before 10
        self.assertEqual(table["q2"], {"recall@1": 0, "recall": 0, "mrr": 0})
        self.assertEqual(table["mean"], {"recall@1": 0.25, "recall": 0.25, "mrr": 0.5})
        for bad in ("ndcg@0", "ndcg@", "ndcg@x"):
            with self.assertRaises(ValueError):
                nestor.evaluate(run, qrels, [bad])


if __name__ == "__main__":
    unittest.main()
