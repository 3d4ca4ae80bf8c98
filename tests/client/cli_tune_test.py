"""nestor tune; its test cases run as part of cli_test.py."""
import json
import pathlib
import shutil
import tempfile

import numpy as np

from cli_support import SAMPLE, NestorTestCase, run


class Tuned(NestorTestCase):
    """6,000 keys of the sample; other keys of it stand for the queries."""

    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="nestor-tuned-"))
        keys = np.load(SAMPLE / "keys.npy")
        np.save(cls.work / "keys.npy", keys[0:18000:3])
        np.save(cls.work / "queries.npy", keys[1:1201:3])
        for collection in "c", "rebuilt":
            built = run("build", "--from", cls.work / "keys.npy", "--collection", collection, "--data",
                        cls.work / "data", "--metric", "l2", "--widths", "64,128,256", "--candidates-at-build", "60")
            if built.returncode != 0:
                raise RuntimeError(built.stderr)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work, ignore_errors=True)

    def on(self, command, *arguments, collection="c"):
        return (command, "--data", self.work / "data", "--collection", collection, *arguments)

    def tune(self, *arguments, **options):
        return self.on("tune", "--queries", self.work / "queries.npy", *arguments, **options)

    def test_a_recall_becomes_the_default_depth_until_it_is_reset(self):
        tried = self.succeed_json(*self.tune("--recall", 0.9, "--dry-run"))
        self.assertFalse(tried["stored"])
        self.assertIsNone(self.succeed_json(*self.on("info"))["tuned"])
        report = self.succeed_json(*self.tune("--recall", 0.9))
        self.assertTrue(report["reached"])
        self.assertGreater(report["held_out"]["recall"], 0.85)
        self.assertLess(report["held_out"]["evaluations"], report["before_held_out"]["evaluations"])
        self.assertEqual(report["queries"], [200, 200])
        self.assertEqual([c["width"] for c in report["ceilings"]], [64, 128, 256])
        info = self.succeed_json(*self.on("info"))["tuned"]
        self.assertEqual(info["k"], 10)
        self.assertEqual(info["recall"], report["held_out"]["recall"])
        self.assertIn("chosen by nestor tune", self.succeed(*self.on("info")))
        text = self.succeed(*self.tune("--recall", 0.9))
        self.assertRegex(text, r"Because the cheapest of \d+ policies whose recall less its standard error is 0\.9")
        self.succeed(*self.on("tune", "--reset"))
        self.assertIsNone(self.succeed_json(*self.on("info"))["tuned"])

    def test_a_rebuild_leaves_the_cheapest_graph_and_all_rows(self):
        report = self.succeed_json(*self.tune("--recall", 0.8, "--rebuild", collection="rebuilt"))
        info = self.succeed_json(*self.on("info", collection="rebuilt"))
        self.assertEqual(info["indexed_points"], 6000)
        width, codes = report["rebuilds"]  # what was tried: another width, then other codes at the better one
        before = (256, "whole")
        self.assertLess(width["graph_width"], 256)
        at = (width["graph_width"], width["walk_codes"]) if width["kept"] else before
        self.assertEqual(codes["graph_width"], at[0])
        self.assertNotEqual(codes["walk_codes"], at[1])
        at = (codes["graph_width"], codes["walk_codes"]) if codes["kept"] else at
        self.assertEqual((report["graph_width"], report["walk_codes"]), at)
        self.assertEqual(info["graphs"], [at[0]])
        if codes["kept"]:
            self.assertEqual(info["walk_codes"], at[1])
            self.assertEqual(report["held_out"]["cost"], codes["cost"])
        elif width["kept"]:
            self.assertEqual(report["held_out"]["cost"], width["cost"])
        self.assertEqual(info["tuned"]["recall"], report["held_out"]["recall"])

    def test_what_is_out_of_reach_is_told_and_not_stored(self):
        self.succeed(*self.on("tune", "--reset"))
        wish = self.tune("--latency-ms", 0.001)
        for arguments in (wish, (*wish, "--dry-run"), (*wish, "--json")):
            done = run(*arguments)
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertRegex(done.stderr, r"(?m)^nestor: tune: a latency of 0\.001 ms is not reached, .*see what would help")
            self.assertIsNone(self.succeed_json(*self.on("info"))["tuned"])
        report = json.loads(done.stdout)
        self.assertEqual((report["reached"], report["stored"]), (False, False))
        self.assertRegex(report["remedies"][0], r"the fastest policy took .* ms for 95 % of the queries")
        self.assertIn("What would help: the fastest policy took", run(*wish).stdout)
        kept = self.succeed_json(*wish, "--best-effort")
        self.assertEqual((kept["reached"], kept["stored"]), (False, True))
        self.assertIsNotNone(self.succeed_json(*self.on("info"))["tuned"])
        self.succeed(*self.on("tune", "--reset"))

    def test_refusals_name_the_value(self):
        self.refuse(2, "between 0 and 1", *self.tune("--recall", 1.5))
        self.refuse(2, "10 queries are too few", *self.tune("--rows", "0:10"))
        self.refuse(2, "excludes", *self.tune("--recall", 0.9, "--latency-ms", 1))
        self.refuse(3, "", "tune", "--data", self.work / "data", "--collection", "none")
