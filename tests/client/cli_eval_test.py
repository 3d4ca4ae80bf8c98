"""nestor eval on TREC and BEIR files; its test cases run as part of cli_test.py."""
import gzip
import json
import math
import pathlib
import tempfile

from cli_support import NestorTestCase


class Eval(NestorTestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="nestor-eval-")
        self.addCleanup(self.folder.cleanup)

    def file(self, name, text):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(text)
        return path

    QRELS = "q1 0 a 2\nq1 0 b 0\nq1 0 c 1\nq2 0 x 1\nq3 0 z 1\n"
    RUN = "q1 Q0 a 2 2.0 t\nq1 Q0 b 3 1.0 t\nq1 Q0 c 1 3.0 t\nq2 Q0 y 1 9 t\nq2 Q0 x 2 8 t\nq9 Q0 a 1 1 t\n"

    def test_trec_files_give_the_values_worked_out_by_hand(self):
        run, qrels = self.file("run", self.RUN), self.file("qrels", self.QRELS)
        answer = self.succeed_json("eval", "--run", run, "--qrels", qrels, "--per-query", "--metrics",
                                   "ndcg,mrr,ap,recall@1,precision@2,opa")
        # c a b with grades 1 2 0: the published value of ndcg([2,1,3],[2,0,1]).
        self.assertAlmostEqual(answer["per_query"]["q1"]["ndcg"], 0.79671, places=5)
        self.assertAlmostEqual(answer["per_query"]["q1"]["opa"], 2 / 3)
        self.assertEqual(answer["per_query"]["q1"]["recall@1"], 0.5)
        self.assertEqual(answer["per_query"]["q2"]["mrr"], 0.5)
        self.assertAlmostEqual(answer["per_query"]["q2"]["ndcg"], 1 / math.log2(3))
        self.assertEqual(answer["per_query"]["q2"]["precision@2"], 0.5)
        self.assertEqual(answer["per_query"]["q3"], {m: 0 for m in answer["mean"]})
        self.assertAlmostEqual(answer["mean"]["mrr"], (1 + 0.5 + 0) / 3)
        self.assertEqual((answer["queries"], answer["without_run"], answer["unjudged"]), (3, 1, 1))

    def test_beir_files_give_what_trec_files_give(self):
        trec = self.succeed_json("eval", "--run", self.file("run", self.RUN), "--qrels", self.file("q", self.QRELS))
        tsv = "query-id\tcorpus-id\tscore\n" + "".join(
            "\t".join(line.split()[i] for i in (0, 2, 3)) + "\n" for line in self.QRELS.splitlines())
        run = {}
        for line in self.RUN.splitlines():
            words = line.split()
            run.setdefault(words[0], {})[words[2]] = float(words[4])
        beir = self.succeed_json("eval", "--run", self.file("run.json", json.dumps(run)), "--qrels",
                                 self.file("test.tsv", tsv))
        self.assertEqual(trec, beir)

    def test_equal_scores_fall_to_the_smaller_id_as_a_number(self):
        run = self.file("run", "1 Q0 10 1 0.5 t\n1 Q0 9 2 0.5 t\n")
        qrels = self.file("qrels", "1 0 9 1\n")
        self.assertEqual(self.succeed_json("eval", "--run", run, "--qrels", qrels)["mean"]["mrr@10"], 1)
        seen = {self.succeed_json("eval", "--run", run, "--qrels", qrels, "--random-ties", seed)["mean"]["mrr@10"]
                for seed in range(12)}
        self.assertEqual(seen, {0.5, 1})

    def test_text_has_a_mean_and_says_what_was_left_out(self):
        out = self.succeed("eval", "--run", self.file("run", self.RUN), "--qrels", self.file("qrels", self.QRELS))
        self.assertRegex(out, r"query +ndcg@10 +mrr@10 +precision@10 +recall@100 +ap")
        self.assertIn("3 queries, 1 of them not in the run: they score 0; 1 queries of the run are not in the qrels", out)

    def ndcg(self, run, qrels):
        return self.succeed_json("eval", "--run", run, "--qrels", qrels, "--metrics", "ndcg@10")["mean"]["ndcg@10"]

    def test_a_byte_order_mark_is_no_part_of_an_id(self):
        tsv = "query-id\tcorpus-id\tscore\n1\ta\t1\n"
        for run, qrels in (("1 Q0 a 1 2 t\n", "\ufeff1 0 a 1\n"), ("\ufeff1 Q0 a 1 2 t\n", "1 0 a 1\n"),
                           ('\ufeff{"1": {"a": 2}}', "1 0 a 1\n"), ("1 Q0 a 1 2 t\n", "\ufeff" + tsv)):
            self.assertEqual(self.ndcg(self.file("run", run), self.file("qrels", qrels)), 1)
        path = self.file("utf16", "")
        path.write_bytes("1 Q0 a 1 2 t\n".encode("utf-16"))
        self.refuse(2, "is UTF-16; save it as UTF-8", "eval", "--run", path, "--qrels", self.file("q", "1 0 a 1\n"))

    def test_files_may_be_packed_by_gzip(self):
        run, qrels = self.file("run.gz", ""), self.file("qrels.gz", "")
        run.write_bytes(gzip.compress(b"1 Q0 a 1 2 t\n"))
        qrels.write_bytes(gzip.compress(b"1 0 a 1\n") + gzip.compress(b"1 0 b 0\n"))
        self.assertEqual(self.ndcg(run, qrels), 1)
        run.write_bytes(run.read_bytes()[:-6])
        self.refuse(2, "damaged gzip file: it ends too early", "eval", "--run", run, "--qrels", qrels)

    def test_grades_below_0_carry_no_gain(self):
        for run, qrels, wanted in (("1 Q0 a 1 2 t\n", "1 0 a 1\n1 0 b -1\n", 1),
                                   ("1 Q0 b 1 3 t\n1 Q0 a 2 2 t\n", "1 0 a 1\n1 0 b -2\n", 1 / math.log2(3)),
                                   ("1 Q0 b 1 3 t\n", "1 0 b -2\n", 0), ("1 Q0 a 1 2 t\n", "1 0 a 2000\n", 1)):
            self.assertAlmostEqual(self.ndcg(self.file("run", run), self.file("qrels", qrels)), wanted)
        self.refuse(2, "no finite dcg", "eval", "--run", self.file("run", "1 Q0 a 1 2 t\n"), "--qrels",
                    self.file("qrels", "1 0 a 2000\n"), "--metrics", "dcg")

    def test_what_stands_twice_in_json_is_refused(self):
        qrels = self.file("qrels", "1 0 a 1\n")
        for text, said in (('{"1": {"a": 1, "a": 2}}', "query 1 has document a twice"),
                           ('{"1": {"a": 1}, "1": {"b": 2}}', "query 1 stands there twice"),
                           ('{"1": {"a": 1}, "\\u0031": {"b": 2}}', "query 1 stands there twice"),
                           ('{"1": {"a": [1]}}', "query 1, a is not a number"), ('{"1": {"a": {"b": 1}}}', "a is not a number"),
                           ('{"1": {"a": "2"}}', "a is not a number"), ('{"1": {"a": NaN}}', "is not JSON, at byte"),
                           ('{"1": {"a": 1e400}}', "beyond all that a double holds"), ("[1]", "is not JSON {query"),
                           ('{"1": {"a": 1}} x', "is not JSON, at byte")):
            self.refuse(2, said, "eval", "--run", self.file("run", text), "--qrels", qrels)
        answer = self.succeed_json("eval", "--run", self.file("run", '{"1": {"a": 1}}'), "--qrels",
                                   self.file("qrels", '{"1": {"a": 1}, "2": {}}'))
        self.assertEqual(answer["queries"], 2)  # a query without documents counts too

    def test_ids_in_columns_between_tabs_may_hold_blanks(self):
        run = self.file("run", "q 1\tQ0\tdoc a\t1\t2\tt\r\nq 1\tQ0\tdoc b\t2\t1\tt\r\n")
        for qrels in ("query-id\tcorpus-id\tscore\nq 1\tdoc b\t1\n", "q 1\t0\tdoc b\t1\n", "q 1 \t 0\t doc b\t1\n"):
            self.assertAlmostEqual(self.ndcg(run, self.file("qrels", qrels)), 1 / math.log2(3))
        self.assertEqual(self.ndcg(self.file("run", "1\tQ0 a  1 2\tt\n"), self.file("qrels", "1 0\t a 1\n")), 1)
        self.succeed("eval", "--run", run, "--qrels", self.file("qrels", "q 1\tdoc a\t1\n"))  # not five columns
        for text, said in (("q1\tdoc a\t1\n", "qrels:1 is 3 columns by its tabs and 4 by all its blanks"),
                           ("1\t0\ta\t1\n1 0 b 1\n", "qrels:2 has 1 columns instead of 4"),
                           ("1\t0\ta\t1\n1\t\tb\t1\n", "qrels:2 has an empty column")):
            self.refuse(2, said, "eval", "--run", run, "--qrels", self.file("qrels", text))

    def test_files_that_make_no_sense_are_refused_with_their_line(self):
        good = self.file("qrels", self.QRELS)
        for text, said in (("q1 Q0 a 1 t\n", r"run:1 has 5 columns instead of 6"),
                           ("q1 Q0 a 1 2 t\nq1 Q0 a 1 2 t\n", "run:2: query q1 has document a twice"),
                           ("q1 Q0 a 1 high t\n", "run:1: \"high\" is not a number"),
                           ("q1 Q0 a 1 nan t\n", "is not a number"), ("", "holds no query"),
                           ("{\"q1\": 3}", "is not {document: number}"), ("{\"q1\"", "is not JSON")):
            self.refuse(2, said, "eval", "--run", self.file("run", text), "--qrels", good)
        run = self.file("run", self.RUN)
        self.refuse(3, "cannot open", "eval", "--run", run, "--qrels", "/does/not/exist")
        self.refuse(2, "unknown metric \"map\"", "eval", "--run", run, "--qrels", good, "--metrics", "map@10")
        self.refuse(2, "cutoff", "eval", "--run", run, "--qrels", good, "--metrics", "ndcg@0")
