"""Settings, keys, logs and signals of `nestor serve` and `nestor config check`, on the real binary.

  serve_test.py NESTOR PACKAGING
"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.argv, PACKAGING = sys.argv[:2], pathlib.Path(sys.argv[2])
from cli_support import NESTOR, NestorTestCase, Server, run  # noqa: E402  (reads sys.argv)


def check(*arguments, **environment):
    """nestor config check with only this environment: (exit code, {setting: (value, source)}, stderr)."""
    done = subprocess.run([str(NESTOR), "config", "check", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **environment})
    rows = {}
    for line in done.stdout.splitlines()[1:]:
        words = line.split()
        if words:
            rows[words[0]] = (" ".join(words[1:-1]), words[-1])
    return done.returncode, rows, done.stderr


def ask(port, path, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def send(port, method, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), method=method,
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


class Settings(NestorTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, text, name="nestor.conf"):
        path = self.folder / name
        path.write_text(text)
        return path

    def test_flags_override_the_environment_which_overrides_the_file(self):
        conf = self.file('port = 1000\nhost = "::1"\n[limits]\nbody_bytes = "1MiB"\nconnections = 7\nidle_timeout = "5s"\n')
        code, rows, _ = check("--config", conf, "--limits-idle-timeout", "250ms", NESTOR_PORT="2000",
                              NESTOR_LIMITS_IDLE_TIMEOUT="9s")
        self.assertEqual(code, 0)
        self.assertEqual(rows["host"], ("::1", "file"))
        self.assertEqual(rows["port"], ("2000", "environment"))
        self.assertEqual(rows["limits.body_bytes"], ("1MiB", "file"))
        self.assertEqual(rows["limits.connections"], ("7", "file"))
        self.assertEqual(rows["limits.idle_timeout"], ("250ms", "flag"))
        self.assertEqual(rows["limits.points"], ("100000", "default"))
        self.assertEqual(rows["watched_share"], ("0.002", "default"))

    def test_the_file_may_come_from_the_environment(self):
        _, rows, _ = check(NESTOR_CONFIG=str(self.file("port = 1234\n")))
        self.assertEqual(rows["port"], ("1234", "file"))

    def test_keys_are_never_shown(self):
        key = self.file("from-a-file\r\nsecond line\n", "key")
        code, rows, errors = check("--api-key-file", key, NESTOR_READ_ONLY_API_KEY="hidden")
        self.assertEqual(code, 0)
        self.assertEqual(rows["read_only_api_key"], ("(set)", "environment"))
        self.assertEqual(rows["api_key"][0], "(set)")
        self.assertNotIn("hidden", str(rows) + errors)
        self.assertNotIn("from-a-file", str(rows) + errors)

    def test_what_is_wrong_is_said_with_its_place(self):
        bad = [('prot = 1\n', "there is no setting \"prot\""), ('[limits]\nbody = 1\n', "limits.body"),
               ('port = 70000\n', "port: \"70000\" is not a number from 0 to 65535"),
               ('[limits]\nidle_timeout = "soon"\n', "limits.idle_timeout: \"soon\" is not a time"),
               ('[log]\nformat = "xml"\n', "neither text nor json"),
               ('host = "0.0.0.0"\n', "there is no API key"),
               ('[tls]\nkey_file = "/x"\n', "the certificate is missing")]
        for text, words in bad:
            with self.subTest(text=text):
                conf = self.file(text)
                code, rows, errors = check("--config", conf)
                self.assertEqual((code, rows), (2, {}))
                self.assertEqual(len(errors.splitlines()), 1, errors)
                self.assertIn(words, errors)
        self.assertEqual(check("--config", self.folder / "none")[0], 3)
        code, _, errors = check(NESTOR_PORT="x")
        self.assertEqual(code, 2)
        self.assertIn("NESTOR_PORT: \"x\"", errors)
        code, _, errors = check(NESTOR_PROT="1")
        self.assertEqual(code, 2)
        self.assertIn("NESTOR_PROT: there is no such setting, is NESTOR_PORT meant?", errors)
        self.assertEqual(check(NESTOR_PYTHON="/usr/lib", NESTOR_KERNEL="scalar")[0], 0)
        self.assertEqual(check("--host", "[::1]")[1]["host"], ("::1", "flag"))
        code, _, errors = check("--api-key-file", self.folder / "none")
        self.assertEqual(code, 2)
        self.assertIn("--api-key-file: cannot read a key", errors)

    def test_the_shipped_file_is_good_and_names_real_settings(self):
        code, rows, errors = check("--config", PACKAGING / "nestor.conf")
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual(rows["data"], ("/var/lib/nestor", "file"))
        text = (PACKAGING / "nestor.conf").read_text()
        self.assertEqual(check("--config", self.file(text.replace("# api_key_file", "no_such").replace("# read", "read")))[0], 2)

    def test_every_setting_is_listed_and_has_help(self):
        listed = self.succeed("config", "check", "--list")
        help_text = self.succeed("serve", "--help")
        for name in ("data", "tls.certificate_file", "limits.request_timeout", "gzip_bytes"):
            self.assertIn(name, listed)
            self.assertIn("--" + name.replace(".", "-").replace("_", "-"), help_text)
        self.assertIn("NESTOR_API_KEY", listed)
        self.assertNotIn("--api-key ", help_text)

    def test_an_exposed_server_without_a_key_does_not_start(self):
        self.refuse(2, "there is no API key", "serve", "--data", self.folder / "data", "--host", "0.0.0.0", "--port", "0")
        self.assertFalse((self.folder / "data").exists())


class Serving(NestorTestCase):
    def test_keys_logs_metrics_and_a_request_id(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "key").write_text("secret\n")
            log = folder / "access.log"
            with Server("--data", folder / "data", "--port", 0, "--api-key-file", folder / "key", "--log-access", log,
                        "--log-format", "json") as server:
                self.assertEqual(json.loads(server.ready)["level"], "info")
                self.assertEqual(ask(server.port, "/healthz")[0], 200)
                self.assertEqual(ask(server.port, "/collections")[0], 401)
                status, _, headers = ask(server.port, "/collections", **{"api-key": "secret", "X-Request-Id": "abc"})
                self.assertEqual((status, headers["X-Request-Id"]), (200, "abc"))
                status, text, _ = ask(server.port, "/metrics", Authorization="Bearer secret")
                self.assertEqual(status, 200)
                self.assertIn('nestor_http_requests_total{method="GET",route="/collections",status="401"} 1', text)
                self.assertEqual(server.stop(), 0)
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            self.assertEqual([(line["target"], line["status"]) for line in lines],
                             [("/healthz", 200), ("/collections", 401), ("/collections", 200), ("/metrics", 200)])
            self.assertEqual(lines[2]["request_id"], "abc")
            self.assertNotIn("secret", log.read_text())

    def test_a_hangup_opens_the_log_again_and_the_server_goes_on(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            log = folder / "access.log"
            with Server("--data", folder / "data", "--port", 0, "--log-access", log) as server:
                self.assertEqual(ask(server.port, "/healthz")[0], 200)
                log.rename(folder / "access.log.1")
                server.process.send_signal(signal.SIGHUP)
                self.assertIn("hangup: ", server.wait_for("hangup"))
                self.assertEqual(ask(server.port, "/livez")[0], 200)
                self.assertEqual(server.stop(), 0)
                self.assertRegex(server.lines[-1], "stopped$")
            self.assertIn("/healthz", (folder / "access.log.1").read_text())
            self.assertIn("/livez", log.read_text())

    def test_a_build_ends_when_the_server_is_told_to_stop_and_the_last_line_is_last(self):
        rows = 20_000
        with tempfile.TemporaryDirectory() as folder:
            with Server("--data", folder, "--port", 0) as server:
                # Links enough that no machine is done before the signal comes.
                send(server.port, "PUT", "/collections/c", {"vectors": {"size": 64, "distance": "Euclid"}, "hnsw_config":
                                                            {"m": 64, "ef_construct": 2000}})
                points = [{"id": i, "vector": [(i * j) % 101 for j in range(64)]} for i in range(rows)]
                for at in range(0, rows, 5000):
                    send(server.port, "PUT", "/collections/c/points?wait=true", {"points": points[at:at + 5000]})
                while not re.search(r"nestor_collection_building{[^}]*} 1\n", ask(server.port, "/metrics")[1]):
                    pass
                self.assertEqual(server.stop(), 0)
                self.assertIn("building a generation was stopped", "\n".join(server.lines))
                self.assertRegex(server.lines[-1], "stopped$")
            with Server("--data", folder, "--port", 0) as server:
                status, text, _ = ask(server.port, "/collections/c")
                self.assertEqual((status, json.loads(text)["result"]["points_count"]), (200, rows))
                self.assertEqual(server.stop(), 0)

    def test_a_service_manager_is_told_when_the_server_is_ready(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(path)
                manager.settimeout(60)
                os.environ["NOTIFY_SOCKET"] = path
                self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
                with Server("--data", os.path.join(folder, "data"), "--port", 0) as server:
                    self.assertEqual(manager.recv(100), b"READY=1")
                    self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
