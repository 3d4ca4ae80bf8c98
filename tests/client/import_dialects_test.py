#!/usr/bin/env python3
"""Datastores as other kNN-LM code writes them: import_dialects_test.py NESTOR EXAMPLES

Every layout is generated as its code would write it (raw memory maps without a header, whatever the name says), read
by `nestor build`, and compared row by row. Then everything that must be refused, with the readings that are left.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

from cli_support import NESTOR, NestorTestCase, largest_file

ROWS, DIM, VOCABULARY = 300, 24, 1000


class Dialects(NestorTestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="nestor-dialects-")
        self.path = pathlib.Path(self.folder.name)
        random = np.random.default_rng(1)
        self.keys = random.standard_normal((ROWS, DIM)).astype(np.float16)
        self.values = random.integers(VOCABULARY, size=ROWS)
        self.data = self.path / "data"

    def tearDown(self):
        self.folder.cleanup()

    def raw(self, name, array):
        """As np.memmap(name, mode="w+") leaves it."""
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_bytes(np.ascontiguousarray(array).tobytes())
        return self.path / name

    def build(self, file, *options):
        return self.succeed("build", "--from", file, "--data", self.data, "--collection", "c", "--metric", "l2",
                            "--replace", *options)

    def refused(self, pattern, file, *options, code=2):
        self.refuse(code, pattern, "build", "--from", file, "--data", self.path / "new", "--collection", "c", "--metric",
                    "l2", *options)
        self.assertFalse((self.path / "new").exists())

    def holds(self, rows=ROWS, values=True, dtype="float16"):
        """Each row is its own nearest neighbour, at 0, under its number and with its token."""
        np.save(self.path / "asked.npy", self.keys[:rows].astype(np.float32))
        answer = self.succeed_json("search", "--data", self.data, "--collection", "c", "--queries",
                                   self.path / "asked.npy", "--rows", ":", "-k", 1)
        hits = [query["hits"][0] for query in answer["queries"]]
        self.assertEqual([hit["id"] for hit in hits], list(range(rows)))
        self.assertEqual([hit.get("value") for hit in hits], self.values[:rows].tolist() if values else [None] * rows)
        info = self.succeed_json("info", "--data", self.data, "--collection", "c")
        self.assertEqual((info["points"], info["dim"], info["scalar_type"]), (rows, DIM, dtype))

    def test_urvashik_knnlm(self):
        file = self.raw("dstore_keys.npy", self.keys.astype(np.float32))
        self.raw("dstore_vals.npy", self.values.astype(np.int64).reshape(-1, 1))
        self.assertRegex(self.build(file, "--rows", ROWS, "--dim", DIM), "raw .*by flags")
        self.holds(dtype="float32")
        self.raw("dstore_keys.npy", self.keys)
        self.raw("dstore_vals.npy", self.values.astype(np.int16).reshape(-1, 1))
        self.assertIn("int16", self.build(file, "--rows", ROWS, "--dim", DIM, "--vocab-size", VOCABULARY))
        self.holds()

    def test_retomaton(self):
        file = self.raw("dstore16_keys.npy", self.keys)
        self.raw("dstore16_vals.npy", self.values.astype(np.int64))
        self.assertIn("int64", self.build(file, "--dim", DIM, "--key-type", "float16"))
        self.holds()

    def test_efficient_knnlm_and_its_weights(self):
        for suffix, dtype in (("_fp16", np.float16), ("", np.float32)):
            file = self.raw(f"dstore_size{ROWS}_embed{DIM}{suffix}_keys.npy", self.keys.astype(dtype))
            self.raw(f"dstore_size{ROWS}_embed{DIM}{suffix}_vals.npy", self.values.astype(np.int64))
            self.assertRegex(self.build(file), "efficient-knnlm .*by file name")
            self.holds(dtype=np.dtype(dtype).name)
        name = f"dstore_merge9_size{ROWS}_embed{DIM}_fp16"
        file = self.raw(name + "_keys.npy", self.keys)
        self.raw(name + "_vals.npy", self.values.astype(np.int64))
        self.raw(name + "_weights.npy", 1 + np.arange(ROWS) % 3)
        self.assertIn("weights", self.build(file))
        self.holds()

    def test_knn_transformers(self):
        file = self.raw(f"dstore_gpt2_{ROWS}_{DIM}_keys.npy", self.keys)
        self.raw(f"dstore_gpt2_{ROWS}_{DIM}_vals.npy", self.values.astype(np.int32).reshape(-1, 1))
        said = self.build(file)
        self.assertRegex(said, "knn-transformers .*by file name")
        self.assertRegex(said, "tested +300 of 300 rows")
        self.holds()

    def test_knn_box(self):
        folder = self.path / "box"
        config = {"data_list": ["keys", "vals"],
                  "data_infos": {"keys": {"name": "keys", "shape": [ROWS, DIM], "dtype": "float16"},
                                 "vals": {"name": "vals", "shape": [ROWS], "dtype": "int"}}}
        self.raw("box/keys.npy", self.keys)
        self.raw("box/vals.npy", self.values.astype(np.int64))
        (folder / "config.json").write_text(json.dumps(config))
        self.assertRegex(self.build(folder), "knn-box .*by sidecar")
        self.holds()
        config["data_infos"]["keys"]["shape"][0] += 1
        (folder / "config.json").write_text(json.dumps(config))
        self.refused(r"promises \[301 x 24\] float16, the file holds 14400", folder)
        (folder / "config.json").write_text("{")
        self.refused("no knn-box configuration", folder)
        (folder / "config.json").unlink()
        self.refused("config.json", folder, code=3)

    def test_distributed_faiss_retro_and_big_ann(self):
        self.build(self.raw(f"shard_{ROWS}_{DIM}_fp16.mmap", self.keys))
        self.holds(values=False)
        self.build(self.raw(f"shard_{ROWS}_{DIM}.mmap", self.keys.astype(np.float32)))
        self.holds(values=False, dtype="float32")
        file = self.raw("chunks.embedded", self.keys.astype(np.float32))
        self.raw("chunks.doc_ids.dat", (np.arange(ROWS) // 7).astype(np.int32))
        self.assertRegex(self.build(file, "--dim", DIM), "doc ids .*int32")
        self.holds(values=False, dtype="float32")
        header = np.array([ROWS, DIM], np.uint32).tobytes()
        file = self.path / "base.fbin"
        file.write_bytes(header + self.keys.astype(np.float32).tobytes())
        (self.path / "base.ibin").write_bytes(np.array([ROWS, 1], np.uint32).tobytes() + self.values.astype(np.int32).tobytes())
        self.assertIn("fbin", self.build(file))
        self.holds(dtype="float32")
        file.write_bytes(header + b"1234")
        self.refused("truncated: the header promises", file)

    def test_real_npy_and_bfloat16(self):
        np.save(self.path / "x_keys.npy", self.keys)
        np.save(self.path / "x_vals.npy", self.values)
        self.assertRegex(self.build(self.path / "x_keys.npy"), "npy .*by header")
        self.holds()
        # The upper halves of float32, exact for these keys as their fraction is cut to seven bits.
        self.keys = (self.keys.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
        file = self.raw("b_keys.npy", (self.keys.view(np.uint32) >> 16).astype(np.uint16))
        self.raw("b_vals.npy", self.values.astype(np.int32))
        self.build(file, "--rows", ROWS, "--dim", DIM, "--key-type", "bfloat16")
        self.holds(dtype="float32")

    def test_what_can_be_read_in_several_ways_is_refused_with_all_of_them(self):
        file = self.raw("d_keys.npy", self.keys)
        self.refused(r"it may be: 150 x 24 float32 keys; 300 x 24 float16 keys\. Say which", file, "--dim", DIM)
        self.refused("300 x 12 float32 keys; 300 x 24 float16 keys", file, "--rows", ROWS)
        self.refused("without a header", file)
        self.raw("d_vals.npy", self.values.astype(np.int32))
        self.refused("150 x 24 float32 keys, int64 values; 300 x 24 float16 keys, int32 values", file, "--dim", DIM)
        self.build(file, "--dim", DIM, "--value-type", "int32")
        self.holds()
        self.refused("no reading fits with 299 rows 24 coordinates", file, "--rows", 299, "--dim", DIM)
        self.refused("no reading fits", file, "--dim", DIM, "--key-type", "float32", "--value-type", "int16")
        wrong = self.raw(f"dstore_gpt2_{ROWS + 1}_{DIM}_keys.npy", self.keys)
        self.refused("no reading fits", wrong)
        self.build(wrong, "--rows", ROWS)  # what is said wins over the name
        self.holds(values=False)
        self.refused("unknown type of numbers", file, "--dim", DIM, "--key-type", "float8")

    def test_wrapped_and_padded_tokens_are_refused(self):
        np.save(self.path / "k_keys.npy", self.keys)
        file, values = self.path / "k_keys.npy", self.path / "k_vals.npy"
        np.save(values, self.values.astype(np.int16))
        self.refused("wrapped; they cannot be repaired", file, "--vocab-size", 267744)
        bad = self.values.astype(np.int16)
        bad[9] = -3000
        np.save(values, bad)
        self.refused("row 9 holds -3000", file)
        bad = self.values.copy()
        bad[4] = -100
        np.save(values, bad)
        self.refused("row 4 holds -100, the label of a position that does not count", file)
        bad[4] = VOCABULARY
        np.save(values, bad)
        self.refused("row 4 holds 1000; the vocabulary has 1000", file, "--vocab-size", VOCABULARY)
        np.save(values, self.values[:-1])
        self.refused("299 values", file)
        np.save(values, self.values)
        np.save(self.path / "k_weights.npy", np.where(np.arange(ROWS) == 3, 0, 1))
        self.refused("row 3 has weight 0", file)

    def test_a_tail_that_was_never_filled_is_trimmed_when_asked(self):
        self.keys[250:] = 0
        self.values[250:] = 0
        self.keys[100] = 0
        file = self.raw(f"dstore_gpt2_{ROWS}_{DIM}_keys.npy", self.keys)
        self.raw(f"dstore_gpt2_{ROWS}_{DIM}_vals.npy", self.values.astype(np.int32))
        self.refused("the last 50 of 300 rows are all zeros, from row 250 on.*--trim-zero-tail", file)
        said = self.build(file, "--trim-zero-tail")
        self.assertIn("left out 50 rows of zeros", said)
        self.assertIn("1 rows before the end are all zeros", said)
        self.holds(rows=250)
        self.refuse(2, "row 100 is a zero vector", "build", "--from", file, "--data", self.path / "new", "--collection",
                    "c", "--metric", "cosine", "--trim-zero-tail")

    def test_keys_that_overflowed_are_refused_or_skipped_under_their_number(self):
        self.keys[7, 3] = np.inf
        np.save(self.path / "o_keys.npy", self.keys)
        np.save(self.path / "o_vals.npy", self.values)
        self.refused("row 7, coordinate 3 is infinite.*--skip-nonfinite", self.path / "o_keys.npy")
        said = self.build(self.path / "o_keys.npy", "--skip-nonfinite")
        self.assertIn("left out 1 rows with NaN or infinity", said)
        np.save(self.path / "asked.npy", self.keys[8:9].astype(np.float32))
        answer = self.succeed_json("search", "--data", self.data, "--collection", "c", "--queries",
                                   self.path / "asked.npy", "--row", 0, "-k", 1)
        self.assertEqual(answer["queries"][0]["hits"][0]["id"], 8)  # not 7: numbers are rows
        self.succeed("build", "--from", self.path / "o_keys.npy", "--data", self.data, "--collection", "c", "--metric",
                     "l2", "--skip-nonfinite", "--resume")

    def test_the_manifest_knows_the_files_again(self):
        np.save(self.path / "m_keys.npy", self.keys)
        np.save(self.path / "m_vals.npy", self.values)
        command = ["build", "--from", self.path / "m_keys.npy", "--data", self.data, "--collection", "c", "--metric", "l2"]
        self.succeed(*command, "--model", "gpt2", "--layer", "h[-1].mlp", "--tokenizer", "gpt2-bpe")
        self.succeed(*command, "--resume")
        np.save(self.path / "m_vals.npy", self.values[::-1])  # same size, other tokens
        self.refuse(4, "begun with another file", *command, "--resume")

    def test_a_raw_import_that_was_killed_goes_on(self):
        rows, dim = 6000, 1024
        keys = np.random.default_rng(6).standard_normal((rows, dim)).astype(np.float16)
        file = self.raw(f"dstore_gpt2_{rows}_{dim}_keys.npy", keys)
        self.raw(f"dstore_gpt2_{rows}_{dim}_vals.npy", np.arange(rows, dtype=np.int32))
        command = ["build", "--from", file, "--data", self.data, "--collection", "c", "--metric", "l2", "--widths",
                   "64,1024", "--graphs", "64", "--candidates-at-build", "20", "--no-self-test"]
        process = subprocess.Popen([NESTOR, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and largest_file(self.data) < 2 << 20:
            time.sleep(0.01)  # only how often to look: any moment would do
        process.kill()
        process.wait()
        self.succeed(*command, "--resume")
        self.assertEqual(self.succeed_json("info", "--data", self.data, "--collection", "c")["points"], rows)


class Analysis(NestorTestCase):
    def test_dispersion_ranks_layers_and_gives_the_gap(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            random = np.random.default_rng(2)
            wide, narrow = random.normal(size=(200, 8)), 5 + random.normal(size=(200, 8))
            for name, rows in (("wide", wide), ("narrow", narrow)):
                np.save(path / f"{name}.npy", rows.astype(np.float32))
            unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
            expected = (1 - unit @ unit.T)[np.triu_indices(200, 1)].mean()
            answer = self.succeed_json("dispersion", path / "narrow.npy", path / "wide.npy", "--rest", path / "narrow.npy")
            first = answer["files"][0]
            self.assertIn("wide.npy", first["file"])
            self.assertAlmostEqual(first["widths"][0]["dispersion"], expected, delta=1e-6)
            self.assertAlmostEqual(first["widths"][0]["gap"], first["widths"][0]["dispersion"] + first["widths"][0]["between"])
            text = self.succeed("dispersion", path / "narrow.npy", path / "wide.npy", "--widths", "4,8")
            self.assertRegex(text, "best kNN-LM keys: .*wide.npy")
            self.refuse(2, "has 8", "dispersion", path / "wide.npy", "--widths", "16")
            self.refuse(3, "none.npy", "dispersion", path / "none.npy")

    def test_score_is_the_perplexity_of_numpy(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            random = np.random.default_rng(3)
            keys, asked = random.normal(size=(300, 8)).astype(np.float32), random.normal(size=(50, 8)).astype(np.float32)
            values, targets = random.integers(20, size=300), random.integers(20, size=50)
            lm = np.log(random.uniform(0.01, 0.9, size=50)).astype(np.float32)
            for name, array in (("d_keys", keys), ("d_vals", values), ("q", asked), ("t", targets), ("lm", lm)):
                np.save(path / f"{name}.npy", array)
            self.succeed("build", "--from", path / "d_keys.npy", "--data", path / "data", "--collection", "d", "--metric", "l2")
            d = ((asked[:, None].astype(np.float64) - keys[None]) ** 2).sum(axis=2)
            near = np.argsort(d, axis=1)[:, :64]
            p = np.exp(-np.take_along_axis(d, near, 1) / 2.0)
            knn = (p * (values[near] == targets[:, None])).sum(axis=1) / p.sum(axis=1)
            expected = np.exp(-np.log(0.3 * knn + 0.7 * np.exp(lm)).mean())
            command = ["score", "--data", path / "data", "--collection", "d", "--queries", path / "q.npy", "--targets",
                       path / "t.npy", "--lm-logprobs", path / "lm.npy", "--lambda", 0.3, "--temperature", 2, "-k", 64]
            answer = self.succeed_json(*command)
            self.assertAlmostEqual(answer["perplexity"], expected, delta=1e-4 * expected)
            self.assertAlmostEqual(answer["lm_perplexity"], float(np.exp(-lm.astype(np.float64).mean())), delta=1e-4)
            self.assertIn("with neighbours", self.succeed(*command))
            np.save(path / "t.npy", targets[:-1])
            self.refuse(2, "expected one per query, 50", *command)


if __name__ == "__main__":
    if not NESTOR or not os.access(NESTOR, os.X_OK):
        sys.exit(__doc__)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
