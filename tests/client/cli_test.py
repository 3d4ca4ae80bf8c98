#!/usr/bin/env python3
"""The nestor command on the shipped sample: cli_test.py NESTOR SAMPLE_FOLDER [unittest arguments].

Needs NumPy. Ends with unittest's summary; the exit code tells ctest.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import numpy as np

from cli_support import NESTOR, SAMPLE, NestorTestCase, Server, largest_file, run, write_vecs
from cli_certified_test import *  # noqa: F401,F403  its test cases run here too
from cli_eval_test import *  # noqa: F401,F403  its test cases run here too
from cli_tune_test import *  # noqa: F401,F403  its test cases run here too
from cli_refusal_test import *  # noqa: F401,F403  its test cases run here too

WORK = None   # a directory of this run
STORE = None  # holds the sample as collection "dickens"


def setUpModule():
    global WORK, STORE
    WORK = pathlib.Path(tempfile.mkdtemp(prefix="nestor-cli-"))
    STORE = WORK / "store"
    built = run("build", "--from", SAMPLE / "keys.npy", "--values", SAMPLE / "values.npy", "--collection", "dickens",
                "--data", STORE, "--metric", "l2", "--widths", "32,64,128,256", "--graphs", "64,256",
                "--candidates-at-build", "80")
    if built.returncode != 0:
        raise RuntimeError(f"the sample does not build: {built.stderr}")
    global BUILD_OUTPUT
    BUILD_OUTPUT = built.stdout


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


class Sample(NestorTestCase):
    def search(self, *arguments):
        return ("search", "--data", STORE, "--collection", "dickens", "--queries", SAMPLE / "queries.npy", *arguments)

    def lookup(self, *arguments):
        return ("lookup", "--data", STORE, "--collection", "dickens", "--queries", SAMPLE / "queries.npy", *arguments)

    def test_build_says_what_it_made_and_what_to_try_next(self):
        self.assertIn("18,000 x 256 float16, metric l2", BUILD_OUTPUT)
        self.assertIn("nestor search --data", BUILD_OUTPUT)

    def test_the_manual_page_names_every_command(self):
        subcommands = self.succeed("--help").split("Subcommands:")[1].split("Examples:")[0]
        page = (SAMPLE.parent.parent / "packaging" / "nestor.1").read_text()
        named = {word for line in page.splitlines() if line.startswith(".It Cm") for word in line.split()[2:]}
        for name in re.findall(r"^  (\S.*?)  ", subcommands, re.MULTILINE):
            self.assertLessEqual(set(name.split(", ")), named, name)

    def test_info_lists_and_shows(self):
        self.assertRegex(self.succeed("info", "--data", STORE), r"dickens +18,000 +256 +l2 +float16")
        self.assertIn("18,000", self.succeed("info", "--data", STORE, "--collection", "dickens"))
        info = self.succeed_json("info", "--data", STORE, "--collection", "dickens")
        self.assertEqual(info["points"], 18000)
        self.assertEqual(info["tail_rows"], 0)
        self.assertEqual(info["widths"], [32, 64, 128, 256])
        self.assertGreater(info["generation_sequence"], 0)
        self.assertGreater(info["bytes"]["links"], 0)
        self.assertEqual(self.succeed("list", "--data", STORE), "dickens\n")

    def test_exact_search_finds_the_shipped_neighbours(self):
        ids = np.load(SAMPLE / "neighbours_l2_ids.npy")
        squared = np.load(SAMPLE / "neighbours_l2_sqdist.npy")
        for k in (1, 10, 100):
            answer = self.succeed_json(*self.search("--exact", "-k", k, "--rows", ":", "--ground-truth",
                                                    SAMPLE / "neighbours_l2_ids.npy"))
            self.assertEqual(answer["recall"], 1.0)
            self.assertEqual(len(answer["queries"]), 200)
            for query in answer["queries"]:
                row = query["row"]
                found = np.array([hit["distance"] for hit in query["hits"]])
                np.testing.assert_allclose(found, squared[row, :k], rtol=1e-5)
                scores = [hit["score"] for hit in query["hits"]]
                np.testing.assert_allclose(scores, np.sqrt(squared[row, :k]), rtol=1e-5)
                # The same ids wherever the distances tell neighbours apart.
                apart = np.diff(squared[row, :k + 1], append=np.inf)[:k] > 1e-4
                apart &= np.diff(squared[row, :k], prepend=-np.inf) > 1e-4
                got = np.array([hit["id"] for hit in query["hits"]])
                np.testing.assert_array_equal(got[apart], ids[row, :k][apart])

    def test_the_graph_finds_nearly_all_of_them_with_less_work(self):
        answer = self.succeed_json(*self.search("--rows", ":", "--explain", "--ef", 80, "--ground-truth",
                                                SAMPLE / "neighbours_l2_ids.npy"))
        self.assertGreater(answer["recall"], 0.95)
        read = sum(stage["coordinates_read"] for query in answer["queries"] for stage in query["stages"])
        self.assertLess(read, 200 * 18000 * 256 / 4)

    def test_ranking_by_codes_reads_no_row_and_finds_nearly_as_many(self):
        answer = self.succeed_json(*self.search("--rows", ":", "--explain", "--by-codes", "--ground-truth",
                                                SAMPLE / "neighbours_l2_ids.npy"))
        self.assertGreater(answer["recall"], 0.9)
        self.assertNotIn("rerank", {stage["name"] for query in answer["queries"] for stage in query["stages"]})

    def test_ground_truth_alone_prints_the_recall_only(self):
        out = self.succeed(*self.search("--exact", "--ground-truth", SAMPLE / "neighbours_l2_ids.npy"))
        self.assertRegex(out, r"^200 queries in [0-9.]+ ms\nrecall@10 1.0000\n$")

    def test_an_explicit_ladder_is_explained(self):
        out = self.succeed(*self.search("--row", 163, "-k", 5, "--stages", "64:100,256:10", "--explain", "--vocab",
                                        SAMPLE / "vocab.txt"))
        self.assertIn("Row 163 of", out)
        self.assertIn("next token", out)
        self.assertRegex(out, r"walk +64 ")
        self.assertRegex(out, r"coordinates read, [0-9.]+ % of a scan")

    def test_a_prefix_width_ranks_by_the_prefix(self):
        keys = np.load(SAMPLE / "keys.npy").astype(np.float64)[:, :64]
        query = np.load(SAMPLE / "queries.npy").astype(np.float64)[7, :64]
        nearest = np.argsort(((keys - query) ** 2).sum(axis=1), kind="stable")[:5]
        answer = self.succeed_json(*self.search("--row", 7, "-k", 5, "--width", 64, "--exact"))
        self.assertEqual([hit["id"] for hit in answer["queries"][0]["hits"]], nearest.tolist())

    def test_lookup_agrees_with_numpy(self):
        k, temperature, rows = 256, 5.0, range(150, 170)
        keys = np.load(SAMPLE / "keys.npy").astype(np.float64)
        values = np.load(SAMPLE / "values.npy")
        queries = np.load(SAMPLE / "queries.npy").astype(np.float64)
        answer = self.succeed_json(*self.lookup("--rows", f"{rows.start}:{rows.stop}", "-k", k, "--temperature",
                                                temperature, "--top", 0, "--exact"))
        self.assertEqual([query["row"] for query in answer["queries"]], list(rows))
        for query in answer["queries"]:
            squared = ((keys - queries[query["row"]]) ** 2).sum(axis=1)
            nearest = np.argsort(squared, kind="stable")[:k]
            weights = np.exp(-(squared[nearest] - squared[nearest[0]]) / temperature)
            expected = np.bincount(values[nearest], weights / weights.sum(), minlength=10000)
            found = np.zeros(10000)
            for token in query["tokens"]:
                found[token["token"]] = token["probability"]
            np.testing.assert_allclose(found, expected, atol=1e-5)
            probabilities = [token["probability"] for token in query["tokens"]]
            self.assertEqual(probabilities, sorted(probabilities, reverse=True))

    def test_lookup_shows_words_the_context_and_what_came_next(self):
        out = self.succeed(*self.lookup("--row", 163, "-k", 256, "--temperature", 5, "--top", 3, "--vocab",
                                        SAMPLE / "vocab.txt", "--targets", SAMPLE / "query_targets.npy"))
        self.assertIn("! I don ___", out)
        self.assertRegex(out, r"\n  't +0\.\d{4}  #+ <- came next, rank 1\n")

    def test_the_widest_k_of_one_lookup_works(self):
        answer = self.succeed_json(*self.lookup("--row", 0, "--top", 1))
        self.assertEqual(answer["queries"][0]["neighbours"], 1024)
        self.assertEqual(len(answer["queries"][0]["tokens"]), 1)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([NESTOR, "list", "--data", STORE], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "nestor: cannot write the output\n")


class Files(NestorTestCase):
    """Small collections from files of every kind."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=WORK)
        self.path = pathlib.Path(self.folder.name)
        self.array = np.random.default_rng(5).integers(0, 256, (40, 12))

    def tearDown(self):
        self.folder.cleanup()

    def check(self, file, scalar_type, *options):
        """The file's rows are stored: each is its own nearest neighbour at distance 0."""
        data = self.path / "data"
        self.succeed("build", "--from", file, "--data", data, "--collection", "c", "--metric", "l2", "--replace",
                     *options)
        info = self.succeed_json("info", "--data", data, "--collection", "c")
        self.assertEqual((info["points"], info["dim"], info["scalar_type"]), (40, 12, scalar_type))
        answer = self.succeed_json("search", "--data", data, "--collection", "c", "--queries", file, "--rows", ":",
                                   "-k", 1)
        self.assertEqual([query["hits"][0]["id"] for query in answer["queries"]], list(range(40)))
        self.assertEqual({query["hits"][0]["distance"] for query in answer["queries"]}, {0.0})
        return data

    def test_every_kind_of_npy_that_numpy_writes(self):
        for kind, scalar_type in (("float32", "float32"), ("float16", "float16"), ("uint8", "float16")):
            for version in ((1, 0), (2, 0), (3, 0)):
                with self.subTest(kind=kind, version=version):
                    file = self.path / "a.npy"
                    with open(file, "wb") as out:
                        np.lib.format.write_array(out, self.array.astype(kind), version=version)
                    self.check(file, scalar_type)

    def test_fvecs_and_bvecs(self):
        self.check(write_vecs(self.path / "a.fvecs", self.array, "<f4"), "float32")
        self.check(write_vecs(self.path / "a.bvecs", self.array, "u1"), "float16")

    def test_the_scalar_type_can_be_chosen(self):
        np.save(self.path / "a.npy", self.array.astype("f4"))
        self.check(self.path / "a.npy", "float16", "--scalar-type", "float16")

    def test_values_of_every_integer_kind(self):
        np.save(self.path / "a.npy", self.array.astype("f4"))
        for kind, shape in (("u1", 40), ("<i2", 40), ("<u2", 40), ("<i4", (40, 1)), ("<u4", 40), ("<i8", (40, 1)),
                            ("<u8", 40)):
            with self.subTest(kind=kind):
                np.save(self.path / "v.npy", (np.arange(40) * 3).astype(kind).reshape(shape))
                data = self.check(self.path / "a.npy", "float32", "--values", self.path / "v.npy")
                answer = self.succeed_json("search", "--data", data, "--collection", "c", "--queries",
                                           self.path / "a.npy", "--row", 11, "-k", 1)
                self.assertEqual(answer["queries"][0]["hits"][0]["value"], 33)

    def test_delete_takes_a_collection_away(self):
        np.save(self.path / "a.npy", self.array.astype("f4"))
        data = self.check(self.path / "a.npy", "float32")
        self.succeed("delete", "--data", data, "--collection", "c")
        self.assertEqual(self.succeed("list", "--data", data), "")

    def test_the_default_directory_is_nestor_data_here(self):
        np.save(self.path / "a.npy", self.array.astype("f4"))
        self.succeed("build", "--from", "a.npy", "--collection", "c", cwd=self.path)
        self.assertEqual(self.succeed("list", cwd=self.path), "c\n")
        self.assertTrue((self.path / "nestor-data").is_dir())

    def test_an_import_that_was_killed_goes_on(self):
        """Wherever the kill hits, --resume ends with every row there once."""
        rows, dim = 4900, 2048  # a handful of batches, and too few rows for a graph
        array = np.random.default_rng(6).standard_normal((rows, dim)).astype("f2")
        np.save(self.path / "big.npy", array)
        np.save(self.path / "v.npy", np.arange(rows, dtype="<i4"))
        data = self.path / "killed"
        command = ["build", "--from", self.path / "big.npy", "--values", self.path / "v.npy", "--data", data,
                   "--collection", "c", "--metric", "l2", "--widths", "64,2048"]
        process = subprocess.Popen([NESTOR, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and largest_file(data) < 4 << 20:  # the log of the first batch
            time.sleep(0.01)  # only how often to look: any moment would do
        process.kill()
        process.wait()
        self.succeed(*command, "--resume")
        info = self.succeed_json("info", "--data", data, "--collection", "c")
        self.assertEqual(info["points"], rows)
        answer = self.succeed_json("search", "--data", data, "--collection", "c", "--queries", self.path / "big.npy",
                                   "--rows", ":", "-k", 1)
        self.assertEqual([query["hits"][0]["value"] for query in answer["queries"]], list(range(rows)))
        # Resuming what is complete changes nothing and is no error.
        self.succeed(*command, "--resume")
        self.assertEqual(self.succeed_json("info", "--data", data, "--collection", "c")["points"], rows)
        # Another file of the same shape, other options: not the same import.
        np.save(self.path / "other.npy", array[::-1])
        command[2] = self.path / "other.npy"
        self.refuse(4, "begun with another file", *command, "--resume")
        command[2] = self.path / "big.npy"
        self.refuse(4, "begun with other options", *command[:-1], "32,2048", "--resume")
        np.save(self.path / "short.npy", array[:100])
        self.refuse(4, "begun with another file", "build", "--from", self.path / "short.npy", "--data", data,
                    "--collection", "c", "--resume")


class Compaction(NestorTestCase):
    def test_compact_keeps_the_points_and_says_what_it_saved(self):
        data = WORK / "compact"
        self.succeed("build", "--from", SAMPLE / "queries.npy", "--data", data, "--collection", "c", "--metric", "l2")
        self.refuse(3, "doesn't exist", "compact", "--data", data, "--collection", "none")
        before = self.succeed_json("info", "--data", data, "--collection", "c")
        self.assertRegex(self.succeed("compact", "--data", data, "--collection", "c"),
                         r'^Compacted "c": \d+ points, 0 of \d+ slots were dead, ')
        after = self.succeed_json("info", "--data", data, "--collection", "c")
        for key in ("points", "sequence", "dim", "widths"):
            self.assertEqual(after[key], before[key], key)
        self.assertEqual(after["slots"], after["points"])


class Snapshots(NestorTestCase):
    def test_a_snapshot_moves_collections_to_another_directory_and_an_altered_one_is_refused(self):
        file, other = WORK / "all.snapshot", WORK / "recovered"
        made = self.succeed("snapshot", "create", "--data", STORE, "--to", file)
        self.assertRegex(made, rf"^[0-9a-f]{{64}}  {file}  \(")
        self.assertEqual(self.succeed("snapshot", "list", "--data", STORE), "no snapshots\n")
        self.refuse(4, "exists already", "snapshot", "create", "--data", STORE, "--to", file)
        self.assertEqual(self.succeed("snapshot", "recover", file, "--data", other, "--sha256", made.split()[0]),
                         'Recovered collection "dickens": 18,000 points\n')
        self.succeed("snapshot", "recover", file, "--data", other, "--collection", "dickens", "--as", "novel")
        self.assertEqual(self.succeed("list", "--data", other), "dickens\nnovel\n")
        search = ["--queries", SAMPLE / "queries.npy", "--row", 3, "-k", 5, "--json"]
        def hits(*where):
            return json.loads(self.succeed("search", *where, *search))["queries"][0]["hits"]
        self.assertEqual(hits("--data", other, "--collection", "novel"),
                         hits("--data", STORE, "--collection", "dickens"))
        # Kept in the data directory, by name.
        self.succeed("snapshot", "create", "--data", other, "--collection", "novel")
        name = self.succeed("snapshot", "list", "--data", other, "--collection", "novel").split("\n")[1].split()[0]
        self.assertRegex(name, r"^novel-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.snapshot$")
        self.succeed("snapshot", "recover", name, "--data", other, "--collection", "novel")
        self.succeed("snapshot", "delete", name, "--data", other, "--collection", "novel")
        self.refuse(3, "doesn't exist", "snapshot", "delete", name, "--data", other, "--collection", "novel")
        with open(file, "r+b") as tar:
            tar.truncate(file.stat().st_size // 2)
        self.refuse(6, "nothing was changed", "snapshot", "recover", file, "--data", other)
        self.assertEqual(self.succeed("list", "--data", other), "dickens\nnovel\n")


class Serving(NestorTestCase):
    def test_serve_says_where_answers_and_stops_on_sigterm(self):
        with Server("--data", STORE, "--port", 0) as server:
            self.assertRegex(server.ready, r"ready at http://127.0.0.1:\d+, 1 collection in ")
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/collections/dickens", timeout=60) as answer:
                self.assertEqual(json.load(answer)["result"]["points_count"], 18000)
            # One process at a time works on a directory.
            self.refuse(4, "in use by another", "info", "--data", STORE)
            self.refuse(4, "in use by another", "build", "--from", SAMPLE / "queries.npy", "--data", STORE,
                        "--collection", "other")
            self.refuse(4, "in use by another", "serve", "--data", STORE, "--port", 0)
            # And one listens on a port.
            other = WORK / "port-taken"
            self.refuse(4, f"127.0.0.1:{server.port}: the port is taken", "serve", "--data", other, "--port",
                        server.port)
            self.assertFalse(other.exists())
            self.assertEqual(server.stop(), 0)
        self.assertEqual(self.succeed("list", "--data", STORE), "dickens\n")


if __name__ == "__main__":
    if not NESTOR or not SAMPLE or not os.access(NESTOR, os.X_OK):
        sys.exit(__doc__)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
