#!/usr/bin/env python3
"""kNN-LM against its peers: one command, everything measured in interleaved rounds, ratios within a round.

    cmake --preset release && cmake --build build/release --target nestor_python
    PYTHONPATH=build/release/python python3 bench/knnlm/knnlm.py --shared ../shared

Perplexity is that of the last four fifths of the queries; temperature and lambda are chosen on the first fifth, for each
method on its own neighbours. tokens/s is neighbours and score together. Peers that are not installed are left out and
named: Faiss (python3-faiss) and hnswlib (python3-hnswlib), which Debian builds without AVX, and exact search by NumPy's
sgemm (OpenBLAS when libopenblas is its BLAS).
"""
import argparse
import ctypes
import glob
import os
import pathlib
import sys
import tempfile
import time

import numpy as np

import nestor

TEMPERATURES = 0.25 * 2 ** (np.arange(37) / 6)
LAMBDAS = np.arange(1, 20) / 20


class Data:
    def __init__(self, folder, rows, queries):
        load = lambda name: np.load(folder / name, mmap_mode="r")
        plain = (folder / "keys.npy").exists()
        self.keys = np.array(load("keys.npy" if plain else "datastore_keys.npy")[:rows])
        self.values = np.array(load("values.npy" if plain else "datastore_values.npy")[:rows]).astype(np.int64)
        self.queries = np.array(load("queries.npy" if plain else "query_keys.npy")[:queries]).astype(np.float32)
        self.targets = np.array(load("query_targets.npy")[:queries]).astype(np.int64)
        self.lm = np.array(load("query_lm_logprob.npy")[:queries]).astype(np.float64)
        self.tuned = len(self.queries) // 5

    @property
    def dim(self):
        return self.keys.shape[1]


def target_logp(data, distances, ids, temperature, first=0):
    """log p_kNN(target), -inf where no neighbour says it."""
    logit = np.where(ids >= 0, -distances / temperature, -np.inf)
    logit -= logit.max(axis=1, keepdims=True)
    p = np.exp(logit)
    hit = data.values[np.maximum(ids, 0)] == data.targets[first:first + len(ids), None]
    with np.errstate(divide="ignore"):
        return np.log((p * hit).sum(axis=1) / p.sum(axis=1))


def mix(knn, lm, lam):
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(lam) + knn, np.log1p(-lam) + lm)


def tune(data, distances, ids):
    best = (-np.inf, 1.0, 0.25)
    lm = data.lm[:data.tuned]
    for temperature in TEMPERATURES:
        knn = target_logp(data, distances[:data.tuned], ids[:data.tuned], temperature)
        for lam in LAMBDAS:
            best = max(best, (mix(knn, lm, lam).sum(), temperature, lam))
    return best[1:]


def perplexity(logp):
    return float(np.exp(-np.mean(logp)))


class Method:
    """name; search(queries) -> (D, I); optionally its own score(queries, first, T, lambda) -> log p."""

    def __init__(self, name, search, score=None, memory=None, build=None):
        self.name, self.search, self.own_score, self.memory, self.build = name, search, score, memory, build
        self.rates = []

    def score(self, data, queries, first, temperature, lam):
        if self.own_score:
            return self.own_score(queries, first, temperature, lam)
        distances, ids = self.search(queries)
        return mix(target_logp(data, distances, ids, temperature, first), data.lm[first:first + len(queries)], lam)


def set_threads(threads):
    """Of every peer at once."""
    try:
        import faiss
        faiss.omp_set_num_threads(threads)
    except ImportError:
        pass
    for path in glob.glob("/usr/lib/*/openblas*/libopenblas*.so*") + glob.glob("/usr/lib/*/libopenblas*.so*"):
        try:
            ctypes.CDLL(path).openblas_set_num_threads(threads)
        except (OSError, AttributeError):
            pass


def sgemm_method(data, k):
    keys = data.keys.astype(np.float32)
    norms = (keys * keys).sum(axis=1)

    def search(queries):
        d = norms - 2 * (queries @ keys.T)
        near = np.argpartition(d, k - 1, axis=1)[:, :k] if k < len(keys) else np.argsort(d, axis=1)
        return np.take_along_axis(d, near, 1) + (queries * queries).sum(axis=1, keepdims=True), near

    def in_blocks(queries):
        parts = [search(queries[i:i + 64]) for i in range(0, len(queries), 64)]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    return Method("exact, sgemm (float32)", in_blocks, memory=keys.nbytes)


def nestor_methods(data, store, k, threads):
    policies = {"Nestor": {}, "Nestor ef=k/2": {"ef": max(k // 2, 32)}, "Nestor ef=2k": {"ef": 2 * k},
                "Nestor, exact scan": {"exact": True}}
    if k > 200:
        policies["Nestor eta=0.01"] = {"eta": 0.01}
        policies["Nestor eta=0.1"] = {"eta": 0.1}
    widths = store.collection.info()["widths"]
    for width in widths[-3:-1]:
        policies[f"Nestor width {width}"] = {"width": width}
    memory = store.collection.info()["memory"]
    for name, options in policies.items():
        plain = {key: value for key, value in options.items() if key != "eta"}

        def score(queries, first, temperature, lam, options=options):
            return store.score(queries, data.targets[first:first + len(queries)], data.lm[first:first + len(queries)],
                               lam, k, temperature, threads=threads[0], **options)

        yield Method(name, lambda queries, plain=plain: store.search(queries, k, threads=threads[0], **plain), score,
                     memory["links"] + memory["codes"])


def faiss_methods(data, k, report):
    try:
        import faiss
    except ImportError:
        report.append("Faiss is not installed (python3-faiss)")
        return
    keys = data.keys.astype(np.float32)
    # nlist 4096 and nprobe 32 belong to 1e8 keys; sqrt(N) lists of the same share are probed here.
    nlist = int(2 ** np.round(np.log2(np.sqrt(len(keys)))))
    parts = next(m for m in (64, 32, 16, 8, 4, 1) if data.dim % m == 0)
    for name, spec, probes in ((f"Faiss IVF{nlist},PQ{parts}", f"IVF{nlist},PQ{parts}", (8, 32)),
                               (f"Faiss IVF{nlist},Flat", f"IVF{nlist},Flat", (8, 32, 64)),
                               ("Faiss HNSW16", "HNSW16", (0,))):
        index = faiss.index_factory(data.dim, spec)
        began = time.perf_counter()
        index.train(keys)
        index.add(keys)
        seconds = time.perf_counter() - began
        size = len(faiss.serialize_index(index))
        for probe in probes:
            def search(queries, index=index, probe=probe, spec=spec):
                if "IVF" in spec:
                    index.nprobe = probe
                else:
                    faiss.downcast_index(index).hnsw.efSearch = k
                return index.search(queries, k)

            yield Method(f"{name}, nprobe {probe}" if probe else f"{name}, ef={k}", search, memory=size, build=seconds)


def hnswlib_method(data, k, threads, report):
    try:
        import hnswlib
    except ImportError:
        report.append("hnswlib is not installed (python3-hnswlib)")
        return None
    began = time.perf_counter()
    index = hnswlib.Index(space="l2", dim=data.dim)
    index.init_index(len(data.keys), ef_construction=200, M=16)
    index.add_items(data.keys.astype(np.float32))
    seconds = time.perf_counter() - began

    def search(queries):
        index.set_ef(k)
        ids, distances = index.knn_query(queries, k, num_threads=threads[0])
        return distances, ids.astype(np.int64)

    # Level 0 of hnswlib: count and 2 M links, the vector, the label.
    return Method(f"hnswlib M=16, ef={k}", search, memory=len(data.keys) * (4 + 32 * 4 + 4 * data.dim + 8), build=seconds)


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                                for i, (cell, w) in enumerate(zip(row, widths))) + " |")
        if number == 0:
            print("| " + " | ".join("-" * w for w in widths) + " |")
    print(flush=True)


def compare(data, methods, k, rounds, batch, threads):
    """The table of one k. Rates are medians over rounds in which every method answers the same batch."""
    truth = {}
    settings = {}
    for method in methods:
        distances, ids = method.search(data.queries)
        settings[method.name] = tune(data, distances, ids)
        temperature, lam = settings[method.name]
        parts = [method.score(data, data.queries[i:i + 1024], i, temperature, lam)
                 for i in range(data.tuned, len(data.queries), 1024)]
        truth[method.name] = perplexity(np.concatenate(parts)), ids
        print(f"  {method.name}: {truth[method.name][0]:.2f}", file=sys.stderr, flush=True)
    exact = truth[methods[0].name]
    speeds = {}
    for count in threads_to_try():
        threads[0] = count
        set_threads(count)
        for method in methods:
            method.rates = []
        for turn in range(rounds):
            first = data.tuned + turn * batch % max(1, len(data.queries) - data.tuned - batch)
            queries = data.queries[first:first + batch]
            for method in methods if turn % 2 == 0 else reversed(methods):
                began = time.perf_counter()
                method.score(data, queries, first, *settings[method.name])
                method.rates.append(len(queries) / (time.perf_counter() - began))
        speeds[count] = {m.name: float(np.median(m.rates)) for m in methods}
    base = speeds[1][methods[0].name]
    head = ["neighbours by", "recall", "perplexity", "vs exact", "T", "lambda"]
    head += [f"tokens/s, {n} thread{'s' * (n > 1)}" for n in speeds] + ["x sgemm", "bytes a key"]
    rows = [head, ["language model alone", "", f"{perplexity(data.lm[data.tuned:]):.2f}"] + [""] * (len(head) - 3)]
    for method in methods:
        value, ids = truth[method.name]
        recall = np.mean([np.isin(e[e >= 0], i).mean() for e, i in zip(exact[1][::7], ids[::7])])
        rows.append([method.name, f"{recall:.4f}", f"{value:.2f}", f"{100 * (value / exact[0] - 1):+.2f} %",
                     f"{settings[method.name][0]:.2f}", f"{settings[method.name][1]:.2f}"] +
                    [f"{speeds[n][method.name]:.0f}" for n in speeds] +
                    [f"{speeds[1][method.name] / base:.2f}",
                     f"{method.memory / len(data.keys):.0f}" if method.memory else ""])
    print(f"k = {k}, {len(data.keys)} keys x {data.dim}, {len(data.queries) - data.tuned} tokens scored; "
          f"medians of {rounds} rounds of {batch} queries\n")
    table(rows)
    return settings


def threads_to_try():
    return sorted({1, os.cpu_count() or 1})


def family(data, store, settings, rounds, batch, k):
    """Skip gate, adaptive k and pointers against plain lookups, alone and together, in reading order."""
    temperature, lam = settings
    half = data.tuned
    knn = store.score(data.queries[:half], data.targets[:half], data.lm[:half], 0.5, k, temperature,
                      details=True)["knn_log_probabilities"]
    gate = nestor.SkipGate().fit(data.queries[:half], knn, data.lm[:half])
    first, last = half, min(len(data.queries), half + rounds * batch)
    queries, targets, lm = data.queries[first:last], data.targets[first:last], data.lm[first:last]
    rows = [["way", "perplexity", "searched", "neighbours a token", "tokens/s, 1 thread", "x plain"]]

    def scored(name, weights, **options):
        began = time.perf_counter()
        found = store.score(queries, targets, lm, weights() if callable(weights) else weights, k, temperature,
                            threads=1, details=True, **options)
        rate = len(queries) / (time.perf_counter() - began)
        rows.append([name, f"{perplexity(found['log_probabilities']):.2f}", f"{100 * (found['searched'] > 0).mean():.0f} %",
                     f"{found['searched'].mean():.0f}", rate])

    scored("plain", lam)
    scored("eta 0.01", lam, eta=0.01)
    scored("eta 0.1", lam, eta=0.1)
    scored("gate's lambda, none skipped", lambda: gate.weights(queries))
    for share in (0.1, 0.3, 0.5, 0.7):
        gate.choose(data.queries[:half], share)
        scored(f"gate skips {share:.0%}", lambda: gate(queries))
    gate.choose(data.queries[:half], 0.5)
    scored("gate skips 50%, eta 0.1", lambda: gate(queries), eta=0.1)
    for name, minimum, gated in (("pointers", 1, False), ("pointers, at least 16", 16, False),
                                 ("pointers, at least 64", 64, False), ("pointers (16) and gate 50%", 16, True)):
        automaton = nestor.RetoMaton(store, k=k, min_knns=minimum)
        logp = np.empty(len(queries))
        began = time.perf_counter()
        weights = gate(queries) if gated else np.full(len(queries), lam)
        for q, key in enumerate(queries):
            if weights[q] == 0:
                automaton.reset()
                logp[q] = lm[q]
                continue
            distances, ids = automaton.neighbours(key)
            one = nestor.token_log_probability(distances, store.values(ids), targets[q], temperature)
            logp[q] = mix(one, lm[q], weights[q])
            automaton.emit(targets[q])
        rate = len(queries) / (time.perf_counter() - began)
        rows.append([name, f"{perplexity(logp):.2f}", f"{100 * automaton.searches / len(queries):.0f} %", "", rate])
    plain = rows[1][4]
    print(f"adaptive retrieval, k = {k}, tokens {first}..{last - 1} in reading order\n")
    table([rows[0]] + [row[:4] + [f"{row[4]:.0f}", f"{row[4] / plain:.2f}"] for row in rows[1:]])


def merged(data, database, store, settings, k):
    rows = [["rows", "kept", "perplexity"]]
    first = data.tuned
    ask = lambda s: perplexity(s.score(data.queries[first:], data.targets[first:], data.lm[first:], settings[1], k,
                                       settings[0]))
    rows.append(["all", len(store), f"{ask(store):.2f}"])
    for near in (5, 9):
        smaller = store.merge_into(database, f"merged{near}", store.merge_weights(near))
        smaller.build()
        rows.append([f"greedy merge, k = {near}", len(smaller), f"{ask(smaller):.2f}"])
    print("greedy merge\n")
    table(rows)


def dispersion(folder, data):
    """Does the ranking of layers by dispersion agree with kNN-LM perplexity?"""
    layer1, queries1 = folder / "alt_layer1_datastore_keys.npy", folder / "alt_layer1_query_keys.npy"
    if not layer1.exists():
        return
    keys = {"layer 1": np.load(layer1), "layer 2 (the key)": np.load(folder / "datastore_keys.npy", mmap_mode="r")[:20000]}
    asked = {"layer 1": np.load(queries1), "layer 2 (the key)": data.queries[:2000]}
    rows = [["keys", "dispersion", "perplexity, k = 256"]]
    for name in keys:
        sample = Data.__new__(Data)
        sample.keys, sample.values = np.array(keys[name]), np.load(folder / "datastore_values.npy")[:20000].astype(np.int64)
        sample.queries = asked[name].astype(np.float32)
        sample.targets, sample.lm, sample.tuned = data.targets[:2000], data.lm[:2000], 500
        found = sgemm_method(sample, 256).search(sample.queries)
        temperature, lam = tune(sample, *found)
        knn = target_logp(sample, *found, temperature)[500:]
        rows.append([name, f"{nestor.measure(sample.keys).value(0):.4f}", f"{perplexity(mix(knn, sample.lm[500:], lam)):.2f}"])
    print("dispersion of the layer samples\n")
    table(rows)
    widths = [w for w in (16, 32, 64, 128, 256) if w <= data.dim]
    measured = nestor.measure(data.keys, widths)
    rest = nestor.measure(data.queries, widths)
    table([["width", "dispersion of the keys", "between keys and queries", "gap G"]] +
          [[w, f"{measured.value(i):.4f}", f"{measured.between(rest, i):.4f}", f"{measured.gap(rest, i):.4f}"]
           for i, w in enumerate(widths)])


def adapter(folder, data, store):
    queries1 = folder / "alt_layer1_query_keys.npy"
    if not queries1.exists():
        return
    student, teacher = np.load(queries1).astype(np.float32), data.queries[:2000]
    if len(teacher) < 2000:
        return
    fitted = nestor.LinearAdapter().fit(student[:1500], teacher[:1500])
    rows = [["student", "overlap@1", "overlap@10", "overlap@100"]]
    for name, asked in (("layer 1 as it is", student[1500:]), ("layer 1 adapted", fitted(student[1500:]))):
        report = nestor.overlap_report(store, teacher[1500:], asked)
        rows.append([name] + [f"{report[k]:.3f}" for k in (1, 10, 100)])
    print("a linear adapter for another query encoder\n")
    table(rows)


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
    left_out = []
    threads = [1]
    with tempfile.TemporaryDirectory() as directory, nestor.Database(directory, background_builds=False) as database:
        store = database.create_datastore("keys", data.dim, exact_below=1000)
        began = time.perf_counter()
        store.append(data.keys, data.values)
        appended = time.perf_counter() - began
        report = store.build()
        builds = [["build, all cores", "keys/s", "seconds"],
                  ["Nestor: append (durable) and graph", f"{len(data.keys) / (appended + report['seconds']):.0f}",
                   f"{appended:.1f} + {report['seconds']:.1f}"]]
        settings = {}
        if wants("compare"):
            for k in arguments.k:
                set_threads(os.cpu_count() or 1)
                peers = [] if "faiss" in arguments.without else list(faiss_methods(data, k, left_out))
                other = None if "hnswlib" in arguments.without else hnswlib_method(data, k, threads, left_out)
                methods = [sgemm_method(data, k), *nestor_methods(data, store, k, threads), *peers, *([other] if other else [])]
                if k == arguments.k[0]:
                    seen = set()
                    for method in peers + ([other] if other else []):
                        kind = method.name.split(", ")[0]
                        if method.build and kind not in seen:
                            builds.append([kind, f"{len(data.keys) / method.build:.0f}", f"{method.build:.1f}"])
                            seen.add(kind)
                settings[k] = compare(data, methods, k, arguments.rounds, arguments.batch, threads)["Nestor"]
            table(builds)
        k = arguments.k[0]
        set_threads(1)
        if k not in settings and (wants("family") or wants("merge")):
            settings[k] = tune(data, *store.search(data.queries, k))
        if wants("family"):
            family(data, store, settings[k], arguments.rounds, arguments.batch, k)
            adapter(folder, data, store)
        if wants("merge"):
            merged(data, database, store, settings[k], k)
        if wants("dispersion"):
            dispersion(folder, data)
        for line in sorted(set(left_out)):
            print("left out:", line)


if __name__ == "__main__":
    main()
