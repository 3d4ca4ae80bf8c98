#!/usr/bin/env python3
"""Cuts the sample of examples/data out of the shared kNN-LM data set.

    /usr/bin/python3 scripts/make-sample.py [--source ../shared/data/knnlm-dickens] [--out examples/data]
                                            [--rows 18000] [--queries 200] [--neighbours 100]

Needs Python 3 and NumPy. Deterministic: the same source gives the same bytes, there is nothing
random in it. Writes

    keys.npy                 [rows x 256] float16   the first datastore keys
    values.npy               [rows] int32           the token that followed each key
    queries.npy              [queries x 256] float16
    query_targets.npy        [queries] int32        the token that really came next
    query_lm_logprob.npy     [queries] float32      the language model's ln p(target)
    neighbours_l2_ids.npy    [queries x k] int32    exact nearest sample rows, nearest first
    neighbours_l2_sqdist.npy [queries x k] float32  their squared distances
    vocab.txt                one word per token id

The neighbours are computed here against the sample's own rows by brute force in float64 (the
source's neighbours refer to all 200,000 rows). Ties go to the smaller id. README.md, which states
origin and licence, is kept by hand beside the files.
"""
import argparse
import pathlib
import shutil
import sys

import numpy as np

LIMIT_BYTES = 12 * 1000 * 1000  # what a clone may cost


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=pathlib.Path, default=here / "../shared/data/knnlm-dickens")
    parser.add_argument("--out", type=pathlib.Path, default=here / "examples/data")
    parser.add_argument("--rows", type=int, default=18000, help="datastore keys to keep (default 18000)")
    parser.add_argument("--queries", type=int, default=200, help="queries to keep (default 200)")
    parser.add_argument("--neighbours", type=int, default=100, help="exact neighbours per query (default 100)")
    return parser.parse_args()


def exact_neighbours(keys, queries, count):
    """Ids and squared L2 distances of the `count` nearest keys of each query, by the definition."""
    wide_keys = keys.astype(np.float64)
    ids = np.empty((len(queries), count), np.int32)
    distances = np.empty((len(queries), count), np.float32)
    for row, query in enumerate(queries.astype(np.float64)):
        # Sum of squared differences, not |q|^2 + |x|^2 - 2 q.x: identical rows get identical
        # distances, so that the tie rule decides between them and not rounding.
        squared = ((wide_keys - query) ** 2).sum(axis=1)
        order = np.argsort(squared, kind="stable")[:count]
        ids[row] = order
        distances[row] = squared[order]
    return ids, distances


def main():
    arguments = parse_arguments()
    source, out = arguments.source, arguments.out
    if not source.is_dir():
        sys.exit(f"make-sample.py: {source} is not a directory; name the data set with --source")
    keys = np.load(source / "datastore_keys.npy", mmap_mode="r")[: arguments.rows]
    values = np.load(source / "datastore_values.npy", mmap_mode="r")[: arguments.rows]
    queries = np.load(source / "query_keys.npy", mmap_mode="r")[: arguments.queries]
    if len(keys) < arguments.rows or len(queries) < arguments.queries:
        sys.exit(f"make-sample.py: {source} holds only {len(keys)} keys and {len(queries)} queries")
    if not 1 <= arguments.neighbours <= arguments.rows:
        sys.exit(f"make-sample.py: --neighbours must be 1..{arguments.rows}")

    ids, distances = exact_neighbours(keys, queries, arguments.neighbours)
    out.mkdir(parents=True, exist_ok=True)
    arrays = {
        "keys": np.ascontiguousarray(keys, "<f2"),
        "values": np.ascontiguousarray(values, "<i4"),
        "queries": np.ascontiguousarray(queries, "<f2"),
        "query_targets": np.load(source / "query_targets.npy")[: arguments.queries].astype("<i4"),
        "query_lm_logprob": np.load(source / "query_lm_logprob.npy")[: arguments.queries].astype("<f4"),
        "neighbours_l2_ids": ids,
        "neighbours_l2_sqdist": distances,
    }
    for name, array in arrays.items():
        np.save(out / f"{name}.npy", array, allow_pickle=False)
    shutil.copyfile(source / "vocab.txt", out / "vocab.txt")

    total = 0
    for path in sorted(out.iterdir()):
        total += path.stat().st_size
        print(f"{path.stat().st_size:>10,}  {path.name}")
    print(f"{total:>10,}  in all (at most {LIMIT_BYTES:,})")
    if total > LIMIT_BYTES:
        sys.exit("make-sample.py: too large to ship; use fewer --rows")


if __name__ == "__main__":
    main()
