"""nestor calibrate, certificates and --target-recall; its test cases run as part of cli_test.py."""
import pathlib
import shutil
import tempfile

import numpy as np

from cli_support import SAMPLE, NestorTestCase, run


class Certified(NestorTestCase):
    """6,000 keys of the sample; other keys of it stand for the queries."""

    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="nestor-certified-"))
        keys = np.load(SAMPLE / "keys.npy")
        np.save(cls.work / "keys.npy", keys[0:18000:3])
        np.save(cls.work / "queries.npy", keys[1:1201:3])
        built = run("build", "--from", cls.work / "keys.npy", "--collection", "c", "--data", cls.work / "data",
                    "--metric", "l2", "--widths", "64,256", "--candidates-at-build", "60")
        if built.returncode != 0:
            raise RuntimeError(built.stderr)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work, ignore_errors=True)

    def on(self, command, *arguments):
        return (command, "--data", self.work / "data", "--collection", "c", *arguments)

    def calibrate(self, *arguments):
        return self.on("calibrate", "--queries", self.work / "queries.npy", "--no-second-look", *arguments)

    def search(self, *arguments):
        return self.on("search", "--queries", self.work / "queries.npy", *arguments)

    def test_a_recall_is_certified_listed_served_and_dropped(self):
        text = self.succeed(*self.calibrate("--recall", "0.9,0.8"))
        self.assertRegex(text, r"recall >= 0\.9 +1 +0\.\d+")
        self.assertRegex(text, r"400 queries: 80 to choose \d+ policies, 240 to certify")
        listed = self.succeed_json(*self.on("certificates"))
        self.assertEqual([c["id"] for c in listed], [1, 2])
        self.assertEqual(listed[0]["stale"], "")
        self.assertAlmostEqual(listed[0]["epsilon"], 0.1)
        self.assertIn("in force", self.succeed(*self.on("certificates")))
        answer = self.succeed_json(*self.search("--row", 0, "--target-recall", 0.85))
        said = answer["queries"][0]["certification"]
        self.assertTrue(said["certified"])
        self.assertEqual(said["certificate"], 1)
        self.assertIn("next safer", said["note"])
        self.assertRegex(self.succeed(*self.search("--row", 0, "--target-recall", 0.9)),
                         r"certified, certificate 1 \(recall 0\.9\), ended by: ")
        self.assertIn("not certified", self.succeed(*self.search("--row", 0, "--target-recall", 0.99)))
        self.assertIn("not certified", self.succeed(*self.search("--row", 0, "-k", 5, "--target-recall", 0.9)))
        self.assertEqual(self.succeed(*self.on("certificates", "--drop")), "2 certificates dropped\n")
        self.assertIn("no certificates", self.succeed(*self.on("certificates")))

    def test_a_dry_run_stores_nothing_and_rows_stand_in_with_a_warning(self):
        report = self.succeed_json(*self.on("calibrate", "--sample", 300, "--recall", 0.9, "--dry-run"))
        self.assertEqual(len(report["warnings"]), 1)
        self.assertEqual(report["outcomes"][0]["certificate"]["source"], "rows")
        self.assertTrue(report["deferral"]["tried"])
        self.assertIn("no certificates", self.succeed(*self.on("certificates")))

    def test_what_cannot_be_certified_is_refused_with_a_number(self):
        self.refuse(2, r"400 queries are too few: \d+ are the fewest", *self.calibrate("--recall", 0.998))
        self.refuse(2, "between 0 and 1", *self.calibrate("--recall", 1.5))
        self.refuse(2, "unknown test", *self.calibrate("--test", "guess"))
        self.refuse(2, "clopper-pearson", *self.calibrate("--test", "clopper-pearson"))
        self.refuse(2, "excludes", *self.calibrate("--recall", 0.9, "--tail", 0.8))
        self.refuse(2, "target recall", *self.search("--target-recall", 1.5))
        self.refuse(2, "leave out ef", *self.search("--target-recall", 0.9, "--ef", 50))
        self.refuse(3, "", "calibrate", "--data", self.work / "data", "--collection", "none")
