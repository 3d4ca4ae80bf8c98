"""HttpDatastore of a running server against nestor.Datastore in this process: the same methods, the same answers.
Run by ctest, see scripts/python_package.cmake."""
import os
import re
import subprocess
import tempfile
import threading
import unittest

import numpy as np

import nestor
from reference import sample


class HttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.served, cls.local = tempfile.TemporaryDirectory(), tempfile.TemporaryDirectory()
        cls.process = subprocess.Popen(
            [os.environ["NESTOR_COMMAND"], "serve", "--data", cls.served.name, "--host", "127.0.0.1", "--port", "0"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        log = ""
        for line in cls.process.stderr:
            log += line
            ready = re.search(r"ready at (http://[0-9.:]+)", line)
            if ready:
                cls.url = ready.group(1)
                break
        else:
            raise RuntimeError("the server did not start:\n" + log)
        cls.drain = threading.Thread(target=cls.process.stderr.read, daemon=True)
        cls.drain.start()
        cls.database = nestor.Database(cls.local.name, background_builds=False)
        cls.keys, cls.values, cls.queries = sample()
        cls.weights, cls.documents = 1.0 + np.arange(400) % 3, np.arange(400) // 50
        cls.pairs = {}
        for metric in ("l2", "dot", "cosine"):
            ours = cls.database.create_datastore(metric, 16, metric=metric, weights=True)
            theirs = nestor.HttpDatastore(cls.url, metric, weights=True).create(16, metric=metric)
            for store in (ours, theirs):
                assert store.append(cls.keys[:250], cls.values[:250], cls.weights[:250], cls.documents[:250]) == 0
                assert store.append(cls.keys[250:], cls.values[250:], cls.weights[250:], cls.documents[250:]) == 250
            cls.pairs[metric] = ours, theirs

    @classmethod
    def tearDownClass(cls):
        cls.database.close()
        cls.process.terminate()
        cls.process.wait(timeout=60)
        cls.drain.join()
        cls.process.stderr.close()
        cls.served.cleanup()
        cls.local.cleanup()

    def test_every_query_has_the_same_answer_through_both_doors(self):
        targets, lm = np.arange(20) % 30, np.linspace(-4, -0.1, 20)
        asked = [
            lambda s: s.search(self.queries, 9),
            lambda s: s.search(self.queries, 9, exclude_doc_id=np.arange(20) % 9 - 1),
            lambda s: s.search(self.queries, 9, entry_ids=[1, 2, 300], exact=False),
            lambda s: s.search(self.queries, 9, distance_gap=0.3),
            lambda s: s.search(self.queries, 9, target_recall=0.9),
            lambda s: [s.lookup(self.queries, 40, 2.0, topm=5).dense(30)],
            lambda s: [s.lookup(self.queries, 40, 2.0, weight_mode="compatible", exclude_doc_id=3).dense(30)],
            lambda s: [s.lookup(self.queries, 300, 0.3, eta=0.01).searched],
            lambda s: [s.score(self.queries, targets, lm, 0.3, 40, 2.0)],
            lambda s: list(s.score(self.queries, targets, lm, np.linspace(0, 1, 20), 40, 2.0, details=True).values()),
            lambda s: [s.distances(self.queries[:2], [[1, 2, 999], [4, 5, 6]])],
            lambda s: [s.get_vectors([3, 399])],
            lambda s: [s.next_ids([0, 49, 399])],
            lambda s: [s.values([0, 49, 399, 5000])],
            lambda s: [len(s)],
        ]
        for metric, (ours, theirs) in self.pairs.items():
            for number, ask in enumerate(asked):
                for a, b in zip(ask(ours), ask(theirs), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=f"{metric}, question {number}")

    def test_candidates_and_dispersion_and_build_over_http(self):
        _, store = self.pairs["cosine"]
        ids = [1, 2, 3]
        expected = nestor.score_candidates(self.queries[:4], store.get_vectors(ids))
        np.testing.assert_allclose(store.score_candidates(self.queries[:4], evidence_ids=ids), expected, atol=1e-5)
        np.testing.assert_allclose(store.score_candidates(self.queries[:4], self.keys[:3], by="mean"),
                                   nestor.score_candidates(self.queries[:4], self.keys[:3], by="mean"), atol=1e-5)
        widths = self.pairs["l2"][1].dispersion()
        self.assertEqual(widths[-1]["width"], 16)
        self.assertAlmostEqual(widths[-1]["dispersion"], nestor.measure(self.keys).value(0), delta=1e-5)
        self.assertEqual(store.build()["rows"], 400)

    def test_refusals_are_the_same_errors(self):
        for store in self.pairs["l2"]:
            for call in (lambda: store.search(self.queries[:, :3], 5), lambda: store.lookup(self.queries, 5, -1.0),
                         lambda: store.score(self.queries, [1], np.zeros(20)), lambda: store.lookup(self.queries, 5000),
                         lambda: store.append(self.keys[:2], [1]), lambda: store.search(self.queries, 5, distance_gap=-1),
                         lambda: store.lookup(self.queries, 5, eta=3)):
                with self.assertRaises(nestor.InvalidArgument):
                    call()
            with self.assertRaises(nestor.NotFound):
                store.get_vectors([400])
        with self.assertRaises(nestor.NotFound):
            nestor.HttpDatastore(self.url, "nothing").search(self.queries, 1)
        with self.assertRaises(nestor.Unavailable):
            nestor.HttpDatastore("http://127.0.0.1:1", "l2").search(self.queries, 1)


if __name__ == "__main__":
    unittest.main()
