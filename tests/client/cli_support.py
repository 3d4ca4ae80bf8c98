"""What the command line's tests share: running the binary, writing import files, the sample."""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import unittest

import numpy as np

NESTOR = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
SAMPLE = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
TIMEOUT = 300  # seconds; a guard against hanging, no test waits for it


def run(*arguments, user=None, cwd=None):
    """Runs nestor; text in, text out. `user` runs it as that numeric user (root only)."""
    return subprocess.run([str(NESTOR), *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL, user=user, group=user, cwd=cwd)


def write_vecs(path, array, kind):
    """.fvecs, .bvecs, .ivecs: each row behind its length."""
    with open(path, "wb") as out:
        for row in np.asarray(array, kind):
            out.write(struct.pack("<i", len(row)) + row.tobytes())
    return path


class NestorTestCase(unittest.TestCase):
    maxDiff = None

    def succeed(self, *arguments, **options):
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"nestor {arguments} said {done.stderr}")
        return done.stdout

    def succeed_json(self, *arguments):
        return json.loads(self.succeed(*arguments, "--json"))

    def refuse(self, code, pattern, *arguments, **options):
        """Exit code, nothing on stdout, exactly one line on stderr that matches ("": any words)."""
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, code, f"nestor {arguments} said {done.stderr}")
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], r"^nestor: .")
        self.assertRegex(lines[0], pattern or ".")


class Server:
    """nestor serve in the background; `ready` is the line that says where."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([str(NESTOR), "serve", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if "http://" in line:
                break
        self.ready = self.lines[-1] if self.lines else ""
        found = re.search(r"http://\S+:(\d+)", self.ready)
        self.port = int(found.group(1)) if found else None

    def wait_for(self, words):
        """The next line on stderr that holds them; "" when the server ends before."""
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if words in line:
                return self.lines[-1]
        return ""

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.lines += self.process.stderr.read().splitlines()
        return self.process.wait(timeout=TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


def largest_file(folder):
    """Size of the largest file below, while others make and remove files there."""
    largest = 0
    for parent, _, names in os.walk(folder):  # skips what has gone
        for name in names:
            try:
                largest = max(largest, os.path.getsize(os.path.join(parent, name)))
            except FileNotFoundError:
                pass
    return largest


def is_root():
    return os.geteuid() == 0
