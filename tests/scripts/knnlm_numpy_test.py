#!/usr/bin/env python3
"""Run by ctest, see knnlm_numpy.cmake: knnlm_numpy_test.py NESTOR EXAMPLES

Builds a collection of the sample with the real `nestor` command, serves it, asks knnlm/lookup with exact
search over HTTP, and compares every probability with the formula over NumPy's own exact neighbours.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import numpy as np

TOLERANCE = 1e-5
NEIGHBOURS = (1, 10, 64, 1024)
TEMPERATURES = (0.5, 5.0, 100.0)
QUERIES = 40
COLLECTION = "sample"


def fail(message):
    print(f"FAILED: {message}")
    sys.exit(1)


class Server:
    """`nestor serve` on a free port of its own choice, ready for requests while the with-block runs."""

    def __init__(self, nestor, directory):
        self.command = [nestor, "serve", "--data", directory, "--host", "127.0.0.1", "--port", "0"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            ready = re.search(r"ready at (http://[0-9.:]+)", line)
            if ready:
                self.base = ready.group(1)
                # Read on, so that the server never waits for room in the pipe.
                self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
                self.reader.start()
                return self
        fail(f"the server ended with {self.process.wait()} before it was ready:\n" + "".join(self.log))

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait(timeout=60) != 0:
            self.reader.join()
            fail(f"the server ended with {self.process.returncode} on SIGTERM:\n" + "".join(self.log))

    def lookup(self, body):
        request = urllib.request.Request(f"{self.base}/collections/{COLLECTION}/knnlm/lookup",
                                         data=json.dumps(body).encode(), headers={"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["result"]["distributions"]
        except urllib.error.HTTPError as error:
            fail(f"knnlm/lookup answered {error.code}: {error.read().decode()}")


def build(nestor, examples, directory):
    # Exact search does not walk the graph, so a cheap one will do: the test also runs under sanitizers.
    command = [nestor, "build", "--from", examples / "keys.npy", "--values", examples / "values.npy", "--metric", "l2",
               "--collection", COLLECTION, "--data", directory, "--candidates-at-build", "20", "--no-self-test"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        fail(f"nestor build ended with {done.returncode}:\n{done.stdout}")


def neighbours_of(keys, query, most):
    """Squared distances and rows of the `most` nearest keys and one more, nearest first, ties to the smaller row."""
    squared = ((keys - query) ** 2).sum(axis=1)
    order = np.argsort(squared, kind="stable")[: most + 1]
    return squared[order], order


def distribution(squared, tokens, temperature):
    """The formula as it stands: p(y) = sum over neighbours with value y of exp(-d / T), normalised."""
    weights = np.exp(-(squared - squared.min()) / temperature)
    weights /= weights.sum()
    probabilities = {}
    for token, weight in zip(tokens, weights):
        probabilities[int(token)] = probabilities.get(int(token), 0.0) + weight
    return probabilities


def compare(expected, answered, what):
    """The largest difference of any token's probability."""
    tokens = {entry["token"]: entry["probability"] for entry in answered}
    if len(tokens) != len(answered):
        fail(f"{what}: a token is named twice")
    listed = [entry["probability"] for entry in answered]
    if listed != sorted(listed, reverse=True):
        fail(f"{what}: tokens are not ordered best first")
    if abs(sum(listed) - 1) > TOLERANCE:
        fail(f"{what}: probabilities add up to {sum(listed)}")
    worst = 0.0
    for token in expected.keys() | tokens.keys():
        difference = abs(expected.get(token, 0.0) - tokens.get(token, 0.0))
        if not difference <= TOLERANCE:
            fail(f"{what}: token {token} has {tokens.get(token, 0.0)}, NumPy says {expected.get(token, 0.0)}")
        worst = max(worst, difference)
    return worst


def main():
    nestor, examples = sys.argv[1], pathlib.Path(sys.argv[2])
    keys = np.load(examples / "keys.npy").astype(np.float64)
    values = np.load(examples / "values.npy")
    queries = np.load(examples / "queries.npy")[:QUERIES].astype(np.float64)
    nearest = [neighbours_of(keys, query, max(NEIGHBOURS)) for query in queries]

    worst, compared, left_out = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as directory:
        build(nestor, examples, directory)
        with Server(nestor, directory) as server:
            for k in NEIGHBOURS:
                for temperature in TEMPERATURES:
                    answers = server.lookup({"queries": queries.tolist(), "k": k, "temperature": temperature,
                                             "top": 0, "params": {"exact": True}})
                    if len(answers) != len(queries):
                        fail(f"{len(answers)} distributions for {len(queries)} queries")
                    for i, (squared, rows) in enumerate(nearest):
                        # Where the k-th and the next differ by a float's rounding alone, either is right.
                        if 0 < squared[k] - squared[k - 1] < 1e-5 * squared[k]:
                            left_out += 1
                            continue
                        expected = distribution(squared[:k], values[rows[:k]], temperature)
                        what = f"query {i}, k {k}, T {temperature}"
                        worst = max(worst, compare(expected, answers[i]["tokens"], what))
                        compared += 1
    if compared < 0.9 * (compared + left_out):
        fail(f"only {compared} of {compared + left_out} distributions could be compared")
    print(f"{compared} distributions agree, largest difference {worst:.1e} ({left_out} left out: k-th and next level)")


if __name__ == "__main__":
    main()
