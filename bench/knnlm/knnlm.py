#!/usr/bin/env python3
"""kNN-LM against its peers: one command, everything measured in interleaved rounds, ratios within a round.

    cmake --preset release && cmake --build build/release --target nestor_python
    PYTHONPATH=build/release/python python3 bench/knnlm/knnlm.py --shared ../shared

Perplexity is that of the last four fifths of the queries; temperature and lambda are chosen on the first fifth, for each
method on its own neighbours. tokens/s is neighbours and score together. Peers that are not installed are left out and
named: Faiss (python3-faiss) and hnswlib (python3-hnswlib), which Debian builds without AVX. Exact search is NumPy's
sgemm (OpenBLAS when that is its BLAS) and Faiss Flat, which is sgemm as well.
Let nothing else run; where something does, trust ratios, not rates.
"""
import argparse
import contextlib
import os
import pathlib
import sys
import tempfile
import time

# Before a peer is loaded: OpenMP's threads spin while they wait, which costs the others theirs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

import family
import nestor
from lm_data import Data, perplexity, table, tune
from methods import Threads, faiss_methods, hnswlib_method, nestor_methods, sgemm_method


def perplexities(data, methods, k, threads):
    """Name -> (perplexity, recall, (T, lambda)); the first method is exact."""
    threads.set(os.cpu_count() or 1)
    first, out = data.tuned, {}
    sample = data.queries[first::max(1, (len(data.queries) - first) // 500)]
    truth = methods[0].search(sample, k)[1]
    for method in methods:
        temperature, lam = tune(data, *method.search(data.queries[:first], k))
        logp = [method.score(data, data.queries[i:i + 1024], i, temperature, lam, k)
                for i in range(first, len(data.queries), 1024)]
        found = method.search(sample, k)[1]
        recall = np.mean([np.isin(t[t >= 0], f).mean() for t, f in zip(truth, found)])
        out[method.name] = perplexity(np.concatenate(logp)), recall, (temperature, lam)
        print(f"  {method.name}: {out[method.name][0]:.2f}", file=sys.stderr, flush=True)
    return out


def speeds(data, methods, k, measured, threads, arguments):
    """Threads -> name -> tokens/s: medians over rounds in which every method answers the same batch."""
    out = {}
    for count in sorted({1, os.cpu_count() or 1}):
        threads.set(count)
        rates = {method.name: [] for method in methods}
        for turn in range(arguments.rounds):
            first = data.tuned + turn * arguments.batch % max(1, len(data.queries) - data.tuned - arguments.batch)
            queries = data.queries[first:first + arguments.batch]
            for method in methods if turn % 2 == 0 else reversed(methods):
                began = time.perf_counter()
                method.score(data, queries, first, *measured[method.name][2], k)
                rates[method.name].append(len(queries) / (time.perf_counter() - began))
        out[count] = {name: np.array(rate) for name, rate in rates.items()}
    return out


def compare(data, methods, k, threads, arguments):
    methods = [method for method in methods if method.ks is None or k in method.ks]
    measured = perplexities(data, methods, k, threads)
    rates = speeds(data, methods, k, measured, threads, arguments)
    exact = methods[0].name
    head = ["neighbours by", "recall", "perplexity", "vs exact", "T", "lambda"]
    head += [f"tokens/s, {n} thread{'s' * (n > 1)}" for n in rates] + ["x sgemm", "bytes a key"]
    rows = [head, ["language model alone", "", f"{perplexity(data.lm[data.tuned:]):.2f}"] + [""] * (len(head) - 3)]
    for method in methods:
        value, recall, (temperature, lam) = measured[method.name]
        rows.append([method.name, f"{recall:.4f}", f"{value:.2f}", f"{100 * (value / measured[exact][0] - 1):+.2f} %",
                     f"{temperature:.2f}", f"{lam:.2f}"] +
                    [f"{np.median(rates[n][method.name]):.0f}" for n in rates] +
                    [f"{np.median(rates[1][method.name] / rates[1][exact]):.2f}",
                     f"{method.memory / len(data.keys):.0f}" if method.memory else ""])
    print(f"k = {k}, {len(data.keys)} keys x {data.dim}, {len(data.queries) - data.tuned} tokens scored; "
          f"medians of {arguments.rounds} rounds of {arguments.batch} queries\n")
    table(rows)
    return measured["Nestor"][2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default="../shared", help="directory that holds data/knnlm-dickens")
    parser.add_argument("--rows", type=int, help="keys used [all]")
    parser.add_argument("--queries", type=int, help="queries used [all]")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--k", type=int, nargs="*", default=[1024, 64])
    parser.add_argument("--only", choices=["compare", "family", "merge", "dispersion"], nargs="*")
    parser.add_argument("--without", choices=["faiss", "hnswlib"], nargs="*", default=[])
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.shared) / "data" / "knnlm-dickens"
    if not folder.exists():
        folder = pathlib.Path(__file__).resolve().parents[2] / "examples" / "data"
    data = Data(folder, arguments.rows, arguments.queries)
    wants = lambda part: not arguments.only or part in arguments.only
    left_out, threads = [], Threads()
    threads.set(os.cpu_count() or 1)
    if wants("dispersion"):
        family.dispersion(data)
    if arguments.only == ["dispersion"]:
        return
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        database = stack.enter_context(nestor.Database(directory, background_builds=False))
        store = database.create_datastore("keys", data.dim, exact_below=1000)
        began = time.perf_counter()
        store.append(data.keys, data.values)
        appended = time.perf_counter() - began
        report = store.build()
        settings = {}
        if wants("compare"):
            lean_directory = stack.enter_context(tempfile.TemporaryDirectory())
            with nestor.Database(lean_directory, background_builds=False) as other:
                smaller = other.create_datastore("keys", data.dim, exact_below=1000, walk_codes="leading_bits")
                smaller.append(data.keys, data.values)
                smaller.build()
                del smaller
            other = stack.enter_context(nestor.Database(lean_directory, background_builds=False, resident="walk"))
            methods = [sgemm_method(data), *nestor_methods(data, store, threads, other.datastore("keys"))]
            methods += [] if "faiss" in arguments.without else faiss_methods(data, left_out)
            methods += [] if "hnswlib" in arguments.without else hnswlib_method(data, threads, left_out)
            for k in arguments.k:
                settings[k] = compare(data, methods, k, threads, arguments)
            table([["build, all cores", "keys/s", "seconds"],
                   ["Nestor: append (durable) and graph", f"{len(data.keys) / (appended + report['seconds']):.0f}",
                    f"{appended:.1f} + {report['seconds']:.1f}"]] +
                  [[m.name.split(", ")[0], f"{len(data.keys) / m.build:.0f}", f"{m.build:.1f}"]
                   for m in methods if m.build])
        k = arguments.k[0]
        if wants("family") or wants("merge"):
            settings.setdefault(k, tune(data, *store.search(data.queries[:data.tuned], k)))
        if wants("family"):
            threads.set(1)
            family.reading(data, store, settings[k], arguments.rounds, arguments.batch, k)
            family.adapter(data, store)
        if wants("merge"):
            threads.set(os.cpu_count() or 1)
            family.merged(data, database, store, settings[k], k)
    for line in sorted(set(left_out)):
        print("left out:", line)


if __name__ == "__main__":
    main()
