"""Checks the direction of includes between the rooms of the house.

  include_direction.py CHECKOUT     one line per violation, exit code 1 when there is one
  include_direction.py --self-test  plants violations in a folder of its own and wants each one caught

Rules: index <- storage <- server <- client, never upward, and no room includes tests/, bench/ or examples/.
index/ knows no RocksDB, no Boost and no JSON. hnswlib is included by index/graph_builder.cpp alone, because
hnswlib 0.6.2 defines functions that are not inline and cannot be linked twice.
"""

import pathlib
import re
import sys
import tempfile

ROOMS = ["index", "storage", "server", "client"]  # each may include itself and those before it
OUTSIDE = ["tests", "bench", "examples"]
FORBIDDEN_IN_INDEX = {"rocksdb": "RocksDB", "boost": "Boost", "nlohmann": "JSON"}
HNSWLIB_HOME = "index/graph_builder.cpp"
SUFFIXES = {".h", ".hpp", ".inc", ".ipp", ".c", ".cc", ".cpp", ".cxx"}
INCLUDE = re.compile(r'^\s*#\s*include(?:_next)?\s*([<"])([^>"]+)[>"]')


def room_of_include(root, source, quoted, target):
    """The top folder an include leads to: as the compiler does, first beside the file, then from the root."""
    if quoted:
        beside = (source.parent / target).resolve()
        if beside.is_file() and beside.is_relative_to(root):
            return beside.relative_to(root).parts[0]
    return pathlib.PurePosixPath(target).parts[0]


def violations(root):
    root = pathlib.Path(root).resolve()
    for own_rank, room in enumerate(ROOMS):
        for source in sorted((root / room).rglob("*")):
            if source.suffix not in SUFFIXES or not source.is_file():
                continue
            name = source.relative_to(root).as_posix()
            for number, line in enumerate(source.read_text("utf-8", "replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                target = match.group(2)
                top = room_of_include(root, source, match.group(1) == '"', target)
                place = f"{name}:{number}: includes {target}"
                if top in ROOMS and ROOMS.index(top) > own_rank:
                    yield f"{place}: {room}/ must not know {top}/"
                if top in OUTSIDE:
                    yield f"{place}: {room}/ must not know {top}/"
                if room == "index" and top in FORBIDDEN_IN_INDEX:
                    yield f"{place}: no {FORBIDDEN_IN_INDEX[top]} in index/"
                if top == "hnswlib" and name != HNSWLIB_HOME:
                    yield f"{place}: only {HNSWLIB_HOME} may include hnswlib"


def self_test():
    clean = {
        "index/a.h": '#include <vector>\n#include "index/b.h"\n// #include "server/a.h"\n',
        "index/b.h": "",
        "index/graph_builder.cpp": "#include <hnswlib/hnswlib.h>\n",
        "storage/a.h": '#include <rocksdb/db.h>\n#include "index/a.h"\n',
        "server/a.h": '#include <boost/asio.hpp>\n#include "storage/a.h"\n',
        "client/cli/a.cpp": '#include "server/a.h"\n#include "index/a.h"\n',
        "tests/index/a_test.cpp": '#include "client/cli/a.h"\n',
    }
    planted = [
        ("index/bad.h", '#include "storage/a.h"\n'),
        ("index/simd/bad.cpp", '#include "../../server/a.h"\n'),
        ("index/bad.cpp", "#include <storage/a.h>\n"),
        ("storage/bad.cpp", '#  include "server/a.h"\n'),
        ("server/bad.h", '\t#include "client/cli/a.h"\n'),
        ("storage/bad.h", '#include "tests/support/catch.h"\n'),
        ("index/bad.cpp", "#include <rocksdb/db.h>\n"),
        ("index/bad.cpp", "#include <boost/asio.hpp>\n"),
        ("index/bad.cpp", "#include <nlohmann/json.hpp>\n"),
        ("index/bad.cpp", "#include <hnswlib/hnswlib.h>\n"),
        ("storage/bad.cpp", '#include "hnswlib/hnswlib.h"\n'),
    ]
    wrong = 0
    for plant in [None] + planted:
        with tempfile.TemporaryDirectory() as folder:
            files = dict(clean, **({plant[0]: plant[1]} if plant else {}))
            for name, text in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            found = list(violations(folder))
        expected = [f"{plant[0]}:1: "] if plant else []
        if len(found) != len(expected) or not all(f.startswith(e) for f, e in zip(found, expected)):
            print(f"planted {plant}: wanted {expected}, found {found}")
            wrong += 1
    print(f"{len(planted)} planted violations, {wrong} wrong answers")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1 or not pathlib.Path(arguments[0], "index").is_dir():
        print(__doc__)
        return 2
    found = list(violations(arguments[0]))
    print("\n".join(found) if found else "includes go one way")
    return 1 if found else 0


sys.exit(main(sys.argv[1:]))
