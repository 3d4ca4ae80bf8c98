"""nestor eval on TREC and BEIR files; its test cases run as part of cli_test.py."""
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
