#!/usr/bin/env python3
"""Four writers and four readers over HTTP for as long as you like: no error, flat memory, and what folding and compaction
cost searches.

  bench/soak.py build/release/nestor --minutes 20

Readers are alone for a tenth of the time first (idle). Then writers replace and delete points for good, so that the
server folds and compacts again and again. Fails (status 1) on any error, on a search that misses its own point, and when
the server's memory in the last quarter is more than a fifth above the second quarter's.
"""
import argparse
import http.client
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

DIM = 64
BATCH = 20


class Server:
    def __init__(self, nestor):
        self.directory = tempfile.mkdtemp(prefix="nestor-soak-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen([nestor, "serve", "--data", self.directory + "/data", "--port", str(self.port)],
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.phases = []  # (kind, start, end)
        threading.Thread(target=self.read_log, daemon=True).start()
        for _ in range(600):
            try:
                http.client.HTTPConnection("127.0.0.1", self.port).request("GET", "/collections")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server did not start")

    def read_log(self):
        for line in self.process.stderr:
            found = re.search(r"(built|folded|compacted) a generation .* in ([0-9.]+) s", line)
            if found:
                now = time.monotonic()
                self.phases.append((found[1], now - float(found[2]), now))
            elif "failed" in line:
                print(line.rstrip(), file=sys.stderr)

    def resident_megabytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


class Client:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def call(self, method, path, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body))
        answer = json.loads(self.connection.getresponse().read())
        if answer.get("status") != "ok":
            raise RuntimeError(f"{method} {path}: {answer}")
        return answer["result"]


def random_vector(source):
    return [round(source.gauss(0, 1), 4) for _ in range(DIM)]


def vector_of(point, version):
    return random_vector(random.Random(point * 1_000_003 + version))


def percentile(times, share):
    return sorted(times)[int(share * (len(times) - 1))]


class Soak:
    def __init__(self, arguments):
        self.arguments = arguments
        self.server = Server(arguments.nestor)
        self.stop = threading.Event()
        self.errors = []
        self.searches = []  # (start, seconds)
        self.written = 0
        self.memory = []    # (time, megabytes)
        self.versions = [0] * arguments.points

    def guarded(self, work, *parameters):
        try:
            work(*parameters)
        except Exception as error:  # noqa: BLE001: whatever it is, the soak has failed
            self.errors.append(repr(error))
            self.stop.set()

    def fill(self):
        client = Client(self.server)
        client.call("PUT", "/collections/soak", {"vectors": {"size": DIM, "distance": "Euclid"}})
        for first in range(0, self.arguments.points, 500):
            points = [{"id": p, "vector": vector_of(p, 0)} for p in range(first, min(first + 500, self.arguments.points))]
            client.call("PUT", "/collections/soak/points?wait=true", {"points": points})
        while client.call("GET", "/collections/soak")["status"] != "green":
            time.sleep(0.2)

    def write(self, number):
        """Replaces points of its own share, deletes some and brings them back with the next round."""
        source = random.Random(number)
        client = Client(self.server)
        own = range(number, self.arguments.points, self.arguments.writers)
        pause = BATCH * self.arguments.writers / self.arguments.rate
        while not self.stop.is_set():
            started = time.monotonic()
            chosen = source.sample(own, BATCH)
            if source.random() < 0.1:
                client.call("POST", "/collections/soak/points/delete?wait=true", {"points": chosen})
                for p in chosen:
                    self.versions[p] = -abs(self.versions[p]) - 1
            else:
                points = []
                for p in chosen:
                    self.versions[p] = abs(self.versions[p]) + 1
                    points.append({"id": p, "vector": vector_of(p, self.versions[p])})
                client.call("PUT", "/collections/soak/points?wait=true", {"points": points})
            self.written += BATCH
            self.check_own(client, chosen[0])
            self.stop.wait(max(0.0, pause - (time.monotonic() - started)))

    def check_own(self, client, point):
        version = self.versions[point]
        found = client.call("POST", "/collections/soak/points/search",
                            {"vector": vector_of(point, abs(version)), "limit": 1})
        if (version >= 0) != (bool(found) and found[0]["id"] == point):
            raise RuntimeError(f"point {point}, version {version}, was answered with {found}")

    def read(self, number):
        source = random.Random(1000 + number)
        client = Client(self.server)
        while not self.stop.is_set():
            query = random_vector(source)
            start = time.monotonic()
            hits = client.call("POST", "/collections/soak/points/search", {"vector": query, "limit": 10})
            self.searches.append((start, time.monotonic() - start))
            if len(hits) != 10:
                raise RuntimeError(f"{len(hits)} hits")
            self.stop.wait(0.01)

    def run(self):
        self.fill()
        seconds = self.arguments.minutes * 60
        readers = [threading.Thread(target=self.guarded, args=(self.read, n)) for n in range(self.arguments.readers)]
        writers = [threading.Thread(target=self.guarded, args=(self.write, n)) for n in range(self.arguments.writers)]
        begin = time.monotonic()
        for thread in readers:
            thread.start()
        self.stop.wait(seconds / 10)
        self.writing_from = time.monotonic()
        for thread in writers:
            thread.start()
        while not self.stop.is_set() and time.monotonic() < begin + seconds:
            self.memory.append((time.monotonic() - begin, self.server.resident_megabytes()))
            self.stop.wait(5)
        self.stop.set()
        for thread in readers + writers:
            thread.join()
        return self.report(seconds)

    def phase_of(self, start, end):
        if end < self.writing_from:
            return "idle"
        for kind, first, last in self.server.phases:
            if start < last and end > first:
                return "writes and " + kind.replace("folded", "fold").replace("compacted", "compaction")
        return "writes"

    def report(self, seconds):
        by_phase = {}
        for start, took in self.searches:
            by_phase.setdefault(self.phase_of(start, start + took), []).append(took * 1000)
        print(f"{'search during':24} {'searches':>9} {'p50 ms':>8} {'p99 ms':>8} {'longest':>8}")
        for name, times in sorted(by_phase.items()):
            print(f"{name:24} {len(times):9} {percentile(times, 0.5):8.2f} {percentile(times, 0.99):8.2f} {max(times):8.2f}")
        kinds = [kind for kind, _, _ in self.server.phases]
        print(f"{self.written} points written, {kinds.count('folded')} folds, {kinds.count('compacted')} compactions, "
              f"{len(self.errors)} errors")

        def most(first, last):
            return max((m for t, m in self.memory if first * seconds <= t <= last * seconds), default=0)

        second, last = most(0.25, 0.5), most(0.75, 1.0)
        print(f"resident memory: at most {second:.0f} MB in the second quarter, {last:.0f} MB in the last")
        for error in self.errors:
            print("error: " + error)
        return not self.errors and last <= 1.2 * second

    def close(self):
        self.server.process.terminate()
        self.server.process.wait()
        shutil.rmtree(self.server.directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nestor")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--points", type=int, default=20000)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=600, help="points written per second, by all writers together")
    soak = Soak(parser.parse_args())
    try:
        passed = soak.run()
    finally:
        soak.close()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
