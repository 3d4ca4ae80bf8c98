"""Holds the answers of the server's tests against server/openapi.json.

  openapi_test.py SERVER_TESTS OPENAPI_JSON   runs the tests, which record what they were answered, and validates it
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema

JSON_TYPES = ("application/json", "application/cbor", "application/msgpack")


class Document:
    def __init__(self, path):
        self.tree = json.loads(pathlib.Path(path).read_text("utf-8"))
        self.resolver = jsonschema.RefResolver("", self.tree)
        self.validators = {}

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def problems(self):
        """What is wrong with the document itself."""
        ids = collections.Counter()
        for path, operations in self.tree["paths"].items():
            for method, operation in operations.items():
                where = f"{method} {path}"
                ids[operation["operationId"]] += 1
                declared = {p["name"] for p in map(self.resolve, operation.get("parameters", [])) if p["in"] == "path"}
                if declared != set(re.findall(r"{(\w+)}", path)):
                    yield f"{where}: path parameters {sorted(declared)} are not those of the path"
                if not any(status.startswith("2") for status in operation["responses"]):
                    yield f"{where}: no answer for success"
        yield from (f"operationId {name} stands {count} times" for name, count in ids.items() if count > 1)
        for place, schema in self.schemas(self.tree, ""):
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as error:
                yield f"{place}: {error.message}"
        for place, target in self.references(self.tree, ""):
            try:
                self.resolver.resolve(target)
            except jsonschema.RefResolutionError:
                yield f"{place}: {target} leads nowhere"

    def schemas(self, node, place):
        if isinstance(node, dict):
            for key, child in node.items():
                if key == "schema":
                    yield place + "/schema", child
                elif place == "/components" and key == "schemas":
                    yield from ((f"/components/schemas/{name}", schema) for name, schema in child.items())
                yield from self.schemas(child, f"{place}/{key}")
        elif isinstance(node, list):
            for index, child in enumerate(node):
                yield from self.schemas(child, f"{place}/{index}")

    def references(self, node, place):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield place, node["$ref"]
            for key, child in node.items():
                yield from self.references(child, f"{place}/{key}")
        elif isinstance(node, list):
            for index, child in enumerate(node):
                yield from self.references(child, f"{place}/{index}")

    def answer(self, line):
        """None when the answer is as described, else what is wrong with it."""
        operation = self.tree["paths"].get(line["route"], {}).get(line["method"].replace("HEAD", "GET").lower())
        if operation is None:
            return "its route is not described"
        status = str(line["status"])
        responses = operation["responses"]
        key = status if status in responses else f"{status[0]}XX"
        if key not in responses:
            return f"status {status} is not described"
        content = self.resolve(responses[key])["content"]
        kind = line["type"].split(";")[0].strip()
        described = "application/json" if kind in JSON_TYPES else kind
        if described not in content:
            return f"content type {kind} is not described"
        if kind != "application/json" or ["Content-Encoding", "gzip"] in line["headers"]:
            return None  # the same values as in JSON, packed
        place = (line["route"], line["method"], key)
        if place not in self.validators:
            self.validators[place] = jsonschema.Draft202012Validator(content[described]["schema"], resolver=self.resolver)
        error = jsonschema.exceptions.best_match(self.validators[place].iter_errors(json.loads(line["body"])))
        return error and f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"


def record(tests):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "answers"
        run = subprocess.run([tests], env={**os.environ, "NESTOR_RECORD_ANSWERS": str(file)}, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit("the server's tests fail:\n" + run.stdout[-3000:])
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def main():
    document = Document(sys.argv[2])
    problems = list(document.problems())
    answers = [line for line in record(sys.argv[1]) if line["route"]]
    seen = set()
    for line in answers:
        seen.add((line["route"], line["method"]))
        wrong = document.answer(line)
        if wrong:
            problems.append(f"{line['method']} {line['target'][:100]} -> {line['status']}: {wrong}")
    # An answer that no test asks for would be described by nothing but hope.
    for path, operations in document.tree["paths"].items():
        for method in operations:
            if (path, method.upper()) not in seen:
                problems.append(f"{method} {path}: no test asks for it")
    print(f"{len(answers)} answers of {len(seen)} operations")
    for problem in problems[:50]:
        print(problem)
    if len(answers) < 500:
        problems.append("too few answers were recorded")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
