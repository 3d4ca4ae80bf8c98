"""Bad input to the nestor command: one line, the right exit code, nothing created or changed.

Run by cli_test.py.
"""
import os
import pathlib
import tempfile

import numpy as np

from cli_support import SAMPLE, NestorTestCase, is_root, run

NOBODY = 65534


def header(descr, shape):
    return f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"


def npy(text, data=b""):
    """A .npy file with any header."""
    text = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


class Refusals(NestorTestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="nestor-refusals-")
        cls.path = pathlib.Path(cls.folder.name)
        cls.good = cls.path / "good.npy"
        np.save(cls.good, np.random.default_rng(1).standard_normal((50, 16)).astype("f4"))
        cls.store = cls.path / "store"
        done = run("build", "--from", cls.good, "--collection", "plain", "--data", cls.store)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def file(self, name, content):
        if isinstance(content, bytes):
            (self.path / name).write_bytes(content)
        else:
            np.save(self.path / name, content)
        return self.path / name

    def refuse_build(self, code, pattern, file, *options):
        """Refused into a new directory, which does not appear, and beside a collection, which stays as it was."""
        new = self.path / "new"
        self.refuse(code, pattern, "build", "--from", file, "--collection", "c", "--data", new, *options)
        self.assertFalse(new.exists())
        self.refuse(code, pattern, "build", "--from", file, "--collection", "c", "--data", self.store, *options)
        self.refuse(code, pattern, "build", "--from", file, "--collection", "plain", "--data", self.store, "--replace",
                    *options)
        self.assert_store_is_as_it_was()

    def assert_store_is_as_it_was(self):
        self.assertEqual(self.succeed("list", "--data", self.store), "plain\n")
        info = self.succeed_json("info", "--data", self.store, "--collection", "plain")
        self.assertEqual((info["points"], info["dim"]), (50, 16))

    def test_files_that_are_no_vectors(self):
        good = self.good.read_bytes()
        array = np.load(self.good)
        cases = [
            (3, "none.npy", self.path / "none.npy"),
            (3, "config.json", self.path),
            (2, "a.npy: 1400 bytes without a header; no reading fits", self.file("a.npy", b"raw memory map" * 100)),
            (2, "without a header", self.file("a.bin", b"raw memory map" * 100)),
            (2, r"truncated: .*\[50 x 16\] float32 = 3200 bytes.*3199", self.file("short.npy", good[:-1])),
            (2, "after the end of the array", self.file("b.npy", good + b"!")),
            (2, "Fortran", self.file("c.npy", np.asfortranarray(array))),
            (2, "big-endian", self.file("d.npy", array.astype(">f4"))),
            (2, "float64; expected float32", self.file("e.npy", array.astype("f8"))),
            (2, "complex|'<c8'", self.file("f.npy", array.astype("c8"))),
            (2, "Python objects", self.file("g.npy", npy(header("|O", (1, 1)), b"x"))),
            (2, "structured", self.file("h.npy", np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]))),
            (2, "expected vectors", self.file("i.npy", array.reshape(-1))),
            (2, "3 dimensions", self.file("j.npy", array.reshape(5, 10, 16))),
            (2, "no rows", self.file("k.npy", array[:0])),
            (2, "malformed .npy header", self.file("l.npy", npy("{'descr': __import__('os'), }\n"))),
            (2, "overflows", self.file("m.npy", npy(header("<f4", (2**62 + 1, 1)), b"abcd"))),
            (2, "truncated", self.file("n.fvecs", b"\x04\0\0\0" + b"\0" * 15)),
            (2, "says it has -1", self.file("o.fvecs", b"\xff\xff\xff\xff" + b"\0" * 16)),
        ]
        for code, pattern, file in cases:
            with self.subTest(file=file):
                self.refuse_build(code, pattern, file)

    def test_numbers_that_no_collection_takes(self):
        array = np.load(self.good)
        for place, number, pattern, options in (
                ((49, 3), np.nan, "row 49, coordinate 3 is NaN", ()),
                ((7, 15), np.inf, "row 7, coordinate 15 is infinite", ("--metric", "l2")),
                ((7, 0), -np.inf, "row 7, coordinate 0 is infinite", ("--metric", "dot")),
                ((30, 1), 70000, "row 30, coordinate 1 is 70000.* too large for float16",
                 ("--scalar-type", "float16", "--metric", "l2")),
                ((12, slice(None)), 0, "row 12 is a zero vector", ("--metric", "cosine"))):
            with self.subTest(pattern=pattern):
                bad = array.copy()
                bad[place] = number
                self.refuse_build(2, pattern, self.file("bad.npy", bad), *options)

    def test_values_that_do_not_fit_the_keys(self):
        for pattern, values in (("has 49 values, but .* 50 rows", np.arange(49)),
                                ("expected one value per key", np.zeros((50, 2), "i4")),
                                ("expected integers", np.zeros(50, "f4")),
                                ("row 9 holds -1; a token id", np.where(np.arange(50) == 9, -1, 1)),
                                ("row 8 holds 4294967296; a token id", np.where(np.arange(50) == 8, 1 << 32, 1))):
            with self.subTest(pattern=pattern):
                self.refuse_build(2, pattern, self.good, "--values", self.file("v.npy", values))
        self.refuse_build(3, "no-values.npy", self.good, "--values", self.path / "no-values.npy")

    def test_options_that_make_no_collection(self):
        for options in (("--widths", "8,32"), ("--widths", "8,x"), ("--widths", "16,8"), ("--widths", "0,16"),
                        ("--widths", "8,,16"), ("--graphs", "5"), ("--metric", "hamming"), ("--rotation", "maybe"),
                        ("--scalar-type", "int4"), ("--max-links", "0"), ("--max-links", "-3"),
                        ("--candidates-at-build", "lots"), ("--threads", "-1"), ("--colour", "red"), ("stray",)):
            with self.subTest(options=options):
                self.refuse_build(2, "", self.good, *options)
        for name in ("", "a/b", "a\\b", "what?", "tab\there", "x" * 256):
            with self.subTest(name=name):
                self.refuse(2, "", "build", "--from", self.good, "--data", self.path / "new", "--collection", name)
                self.assertFalse((self.path / "new").exists())

    def test_a_collection_that_exists_is_not_touched_without_being_told(self):
        self.refuse(4, "exists in .*--replace.*--resume", "build", "--from", self.good, "--collection", "plain",
                    "--data", self.store)
        self.refuse(2, "excludes", "build", "--from", self.good, "--collection", "plain", "--data", self.store,
                    "--resume", "--replace")
        self.assert_store_is_as_it_was()

    def test_directories_that_cannot_hold_data(self):
        in_the_way = self.file("file", b"in the way")
        for data in (in_the_way, in_the_way / "below"):
            self.refuse(2, "is not a directory", "build", "--from", self.good, "--collection", "c", "--data", data)
        self.assertEqual(in_the_way.read_bytes(), b"in the way")
        locked = self.path / "locked"
        locked.mkdir(exist_ok=True)
        locked.chmod(0o555)
        # Root may write anywhere, so root tries as another user, who has to reach the files first.
        if is_root():
            self.path.chmod(0o755)
        user = NOBODY if is_root() else None
        for data in (locked, locked / "below"):
            self.refuse(5, "no permission to write .*locked", "build", "--from", self.good, "--collection", "c",
                        "--data", data, user=user)
        self.assertEqual(os.listdir(locked), [])
        secret = self.file("secret.npy", np.load(self.good))
        secret.chmod(0)
        self.refuse(5, "secret.npy", "build", "--from", secret, "--collection", "c", "--data", self.path / "new",
                    user=user)

    def test_queries_that_cannot_be_asked(self):
        def search(code, pattern, queries, *options, collection="plain", data=self.store):
            self.refuse(code, pattern, "search", "--data", data, "--collection", collection, "--queries", queries,
                        *options)

        array = np.load(self.good)
        search(3, "nowhere", self.good, collection="nowhere")
        search(3, "no database in", self.good, data=self.path / "new")
        self.assertFalse((self.path / "new").exists())
        search(3, "none.npy", self.path / "none.npy")
        search(2, "vectors of 15 coordinates; .*takes 16", self.file("q.npy", array[:, :15].copy()))
        broken = array.copy()
        broken[3, 2] = np.nan
        search(2, "row 3, coordinate 2 is NaN", self.file("q.npy", broken), "--row", 3)
        search(2, "rows 0 to 49", self.good, "--row", 50)
        search(2, "", self.good, "--row", "-1")
        for rows in ("5:5", "9:3", "0:51", "5", "a:b", "1:2:3", "-1:3"):
            search(2, "--rows", self.good, "--rows", rows)
        search(2, "", self.good, "--row", 1, "--rows", "1:2")
        search(2, "", self.good, "-k", 0)
        search(2, "", self.good, "-k", 5000)
        search(2, "", self.good, "-k", "ten")
        search(2, "", self.good, "--width", 7)
        for stages in ("64", "64:", ":10", "a:b", "16:10,", "16:10:3"):
            search(2, "--stages", self.good, "--stages", stages)
        search(2, "recall@10 needs 10", self.good, "--ground-truth", self.file("gt.npy", np.zeros((50, 9), "i4")))
        search(2, "query file has 50", self.good, "--ground-truth", self.file("gt.npy", np.zeros((49, 10), "i4")))
        search(2, "expected integers", self.good, "--ground-truth", self.good)
        search(3, "none.txt", self.good, "--vocab", self.path / "none.txt")
        search(2, "not a text file", self.good, "--vocab", self.good)
        self.assert_store_is_as_it_was()

    def test_lookups_that_cannot_be_answered(self):
        def lookup(code, pattern, *options):
            self.refuse(code, pattern, "lookup", "--data", self.store, "--collection", "plain", "--queries", self.good,
                        *options)

        lookup(4, "holds no values", "-k", 5)
        for temperature in ("0", "-1", "nan", "inf"):
            lookup(2, "temperature", "--temperature", temperature)
        lookup(2, "expected one per query, 50", "--targets", SAMPLE / "query_targets.npy")

    def test_usage(self):
        self.refuse(2, "subcommand")
        self.refuse(2, "", "fly")
        self.refuse(2, "--from is required .*nestor build --help", "build", "--collection", "c")
        self.refuse(3, "no database", "info", "--data", self.path / "new")
        self.refuse(3, "no database", "list", "--data", self.path / "new")
        self.refuse(3, "nowhere", "info", "--data", self.store, "--collection", "nowhere")
        self.refuse(3, "nowhere", "delete", "--data", self.store, "--collection", "nowhere")
        self.refuse(2, "", "serve", "--port", "65536")
        self.refuse(2, "", "serve", "--port", "http")
        self.assertFalse((self.path / "new").exists())
        self.assertIn("nestor build --from", self.succeed("--help"))
        for command in ("serve", "build", "search", "lookup", "info", "list", "delete"):
            self.assertIn("--data", self.succeed(command, "--help"))
        self.assertRegex(self.succeed("--version"), r"^nestor \d+\.\d+\.\d+\n$")
