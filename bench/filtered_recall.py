#!/usr/bin/env python3
"""Recall and latency of filtered queries over HTTP, against brute force.

  bench/filtered_recall.py build/release/nestor                      # 200,000 synthetic rows of 128 coordinates
  bench/filtered_recall.py NESTOR --keys keys.npy                    # rows of a float32 .npy file

Four selectivities, each with a filter that has nothing to do with the query and with one that is against it: it lets
through only the rows farthest from where the queries are. Every query runs with a filter nobody has asked before ("new")
and then once more ("again"). Fails (status 1) when recall@10 is below --goal anywhere.
"""
import argparse
import base64
import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np

SHARES = (0.5, 0.1, 0.01, 0.001)
TOP = 10


def synthetic(rows, dim, random):
    """Clusters with a falling spectrum, as embeddings have: the first coordinates say most."""
    spectrum = 1 / np.sqrt(1 + np.arange(dim))
    centres = random.standard_normal((rows // 200, dim))
    points = centres[random.integers(len(centres), size=rows)] + 0.6 * random.standard_normal((rows, dim))
    return np.ascontiguousarray(points * spectrum, np.float32)


class Server:
    def __init__(self, nestor):
        self.directory = tempfile.mkdtemp(prefix="nestor-filtered-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen([nestor, "serve", "--data", self.directory + "/data", "--port", str(self.port)],
                                        stderr=subprocess.DEVNULL)
        self.connection = None
        for _ in range(600):
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
                self.call("GET", "/collections")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server did not start")

    def call(self, method, path, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body))
        answer = json.loads(self.connection.getresponse().read())
        if answer.get("status") != "ok":
            raise SystemExit(f"{method} {path}: {answer}")
        return answer["result"]

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def encoded(row):
    return base64.b64encode(row.tobytes()).decode()


def fill(server, keys, payloads, indexed):
    server.call("PUT", "/collections/c", {"vectors": {"size": keys.shape[1], "distance": "Euclid"}})
    if indexed:
        for field in payloads:
            server.call("PUT", "/collections/c/index?wait=true", {"field_name": field, "field_schema": "integer"})
    for first in range(0, len(keys), 5000):
        points = [{"id": i, "vector": encoded(keys[i]), "payload": {f: int(v[i]) for f, v in payloads.items()}}
                  for i in range(first, min(first + 5000, len(keys)))]
        server.call("PUT", "/collections/c/points?wait=true", {"points": points})
    while server.call("GET", "/collections/c")["status"] != "green":
        time.sleep(1)


def truth(keys, norms, query, allowed):
    distances = norms[allowed] - 2 * (keys[allowed] @ query)
    likely = allowed[np.argpartition(distances, 10 * TOP)[:10 * TOP]] if len(allowed) > 10 * TOP else allowed
    # Far from the query such differences of large float32 are too coarse to tell neighbours apart.
    exact = ((keys[likely].astype(np.float64) - query) ** 2).sum(1)
    return set(likely[np.argsort(exact)[:TOP]].tolist())


def percentile(seconds, share):
    return float(np.percentile(seconds, share)) * 1e6


def measure(server, keys, norms, queries, field, ranks, share):
    limit = round(share * len(keys))
    allowed = np.flatnonzero(ranks < limit)
    hits, new, again = 0, [], []
    for number, query in enumerate(queries):
        # A bound between two integers chooses the same rows, and no text before.
        filter_ = {"must": [{"key": field, "range": {"lt": limit - 0.5 + number * 1e-6}}]}
        body = {"query": encoded(query), "limit": TOP, "filter": filter_}
        for seconds in (new, again):
            start = time.perf_counter()
            points = server.call("POST", "/collections/c/points/query", body)["points"]
            seconds.append(time.perf_counter() - start)
        hits += len(truth(keys, norms, query, allowed) & {point["id"] for point in points})
    recall = hits / (TOP * len(queries))
    return recall, [percentile(new, 50), percentile(new, 95), percentile(again, 50), percentile(again, 95)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("nestor")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--keys")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--no-index", action="store_true", help="filters read payloads")
    parser.add_argument("--goal", type=float, default=0.95)
    arguments = parser.parse_args()

    random = np.random.default_rng(20261125)
    keys = synthetic(arguments.rows, arguments.dim, random)
    if arguments.keys:
        keys = np.ascontiguousarray(np.load(arguments.keys, mmap_mode="r")[:arguments.rows], np.float32)
    rows = len(keys)
    norms = (keys * keys).sum(1)
    anchor = keys[random.integers(rows)]
    from_anchor = np.argsort(norms - 2 * (keys @ anchor))
    sources = keys[random.choice(from_anchor[:rows // 100], arguments.queries)]
    queries = (sources + 0.1 * keys.std(0) * random.standard_normal(sources.shape)).astype(np.float32)
    payloads = {"shuffled": random.permutation(rows), "against": np.empty(rows, np.int64)}
    payloads["against"][from_anchor[::-1]] = np.arange(rows)

    server = Server(arguments.nestor)
    try:
        start = time.perf_counter()
        fill(server, keys, payloads, not arguments.no_index)
        print(f"{rows} rows x {keys.shape[1]}, filled and built in {time.perf_counter() - start:.0f} s, "
              f"{'no index' if arguments.no_index else 'integer indexes'}, {len(queries)} queries")
        print(f"{'filter':<9} {'share':>6} {'recall@10':>9}   {'new p50':>8} {'p95':>8}   {'again p50':>9} {'p95':>8}  us")
        worst = 1.0
        for field, ranks in payloads.items():
            for share in SHARES:
                recall, figures = measure(server, keys, norms, queries, field, ranks, share)
                worst = min(worst, recall)
                print(f"{field:<9} {share:>6.1%} {recall:>9.4f}   {figures[0]:>8.0f} {figures[1]:>8.0f}   "
                      f"{figures[2]:>9.0f} {figures[3]:>8.0f}", flush=True)
    finally:
        server.close()
    if worst < arguments.goal:
        sys.exit(f"recall@10 {worst:.4f} is below {arguments.goal}")


if __name__ == "__main__":
    main()
