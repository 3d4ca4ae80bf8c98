"""Asks a running server about the sample and prints the answers for a person; quickstart.sh calls it.

  quickstart_show.py URL COLLECTION SAMPLE_FOLDER [QUERY_ROW]

Standard library only. Exits non-zero, with one line on stderr, when an answer is not what it should be.
"""

import ast
import json
import math
import pathlib
import struct
import sys
import urllib.error
import urllib.request

NEIGHBOURS = 6
STAGES = [{"width": 64, "shortlist": 100}, {"width": 128, "shortlist": 50}, {"width": 256, "shortlist": 25}]
LOOKUP = {"k": 256, "temperature": 5.0, "top": 6}


def read_npy(path, rows=slice(None)):
    """Rows of a .npy file of little-endian float16, float32 or int32 values, as lists or numbers."""
    with open(path, "rb") as file:
        file.seek(8)
        header = ast.literal_eval(file.read(struct.unpack("<H", file.read(2))[0]).decode("latin-1"))
        content = file.read()
    letter = {"<f2": "e", "<f4": "f", "<i4": "i"}[header["descr"]]
    count, *rest = header["shape"]
    width = rest[0] if rest else 1
    size = struct.calcsize("<" + letter) * width
    wanted = [struct.unpack_from(f"<{width}{letter}", content, r * size) for r in range(count)[rows]]
    return [list(row) for row in wanted] if rest else [row[0] for row in wanted]


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        sys.exit(f"POST {url} answered {error.code}: {error.read().decode('utf-8', 'replace').strip()}")
    except urllib.error.URLError as error:
        sys.exit(f"POST {url}: {error.reason}")


def main(url, collection, folder, row=93):
    folder, row = pathlib.Path(folder), int(row)
    words = folder.joinpath("vocab.txt").read_text("utf-8").split("\n")
    next_tokens = read_npy(folder / "values.npy")
    targets = read_npy(folder / "query_targets.npy")
    query = read_npy(folder / "queries.npy", slice(row, row + 1))[0]
    alone = math.exp(read_npy(folder / "query_lm_logprob.npy")[row])

    def before(tokens, position, count=6):
        """The words that had been read when a key was taken; value i is the word after key i."""
        return " ".join(words[token] for token in tokens[max(0, position - count):position])

    points = f"{url}/collections/{collection}/points"
    found = post(f"{points}/query", {"query": query, "limit": NEIGHBOURS,
                                     "params": {"matryoshka": {"stages": STAGES, "explain": True}}})
    if not found["points"]:
        sys.exit("the server found no neighbours")
    total = post(f"{points}/count", {})["count"]

    nearest = read_npy(folder / "neighbours_l2_ids.npy", slice(row, row + 1))[0][:NEIGHBOURS]
    agreed = len(set(nearest) & {point["id"] for point in found["points"]})

    print(f'3. A Christmas Carol: "... {before(targets, row)}" - which passages of Bleak House are like it?')
    print(f"   {'point':>6}  {'distance':>8}  {'words before':<42} next word")
    for point in found["points"]:
        text = before(next_tokens, point["id"])
        print(f"   {point['id']:>6}  {point['score']:>8.3f}  {'... ' + text:<42.42} {words[next_tokens[point['id']]]}")

    print(f"   {agreed} of the {NEIGHBOURS} true nearest, as an exact computation that ships with the sample has them.")

    print(f"\n   The way there, among {total:,} points of {len(query)} coordinates:")
    print(f"   {'stage':<8} {'width':>5} {'in':>7} {'out':>6} {'coordinates':>12} {'time':>8}")
    read = 0
    for stage in found["explain"]:
        read += stage["coordinates_read"]
        print(f"   {stage['stage']:<8} {stage['width']:>5} {stage['candidates_in']:>7} {stage['candidates_out']:>6} "
              f"{stage['coordinates_read']:>12,} {stage['microseconds']:>5.0f} us")
    if read:
        scan = total * len(query)
        print(f"   A scan reads {scan:,} coordinates; this query read {scan / read:.0f} times fewer.")

    answer = post(f"{url}/collections/{collection}/knnlm/lookup", {"queries": [query], **LOOKUP})
    tokens = answer["distributions"][0]["tokens"]
    if not tokens or not all(0 <= t["probability"] <= 1 for t in tokens):
        sys.exit("the server gave no next-token distribution")
    print(f"\n4. The next word, from {LOOKUP['k']} neighbours (kNN-LM):")
    for entry in tokens:
        bar = "#" * round(40 * entry["probability"])
        print(f"   {words[entry['token']]:<12} {entry['probability']:.3f}  {bar}")
    truth = words[targets[row]]
    ours = next((t["probability"] for t in tokens if t["token"] == targets[row]), None)
    given = f"{ours:.3f} here, " if ours is not None else ""
    print(f'   The book goes on with "{truth}": {given}{alone:.3f} from the language model alone.')


if len(sys.argv) not in (4, 5):
    sys.exit(__doc__)
main(*sys.argv[1:])
