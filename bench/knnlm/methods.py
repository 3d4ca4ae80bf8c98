"""Who finds the neighbours: exact search by sgemm, Nestor by policy and width, Faiss and hnswlib where they are there."""
import ctypes
import glob
import time

import numpy as np

from lm_data import mix, target_logp


class Method:
    """search(queries, k) -> (D, I); optionally its own score(queries, first, T, lambda, k) -> log p.

    memory: bytes that searching needs. build: seconds for all keys, None where another method's index is used.
    """

    def __init__(self, name, search, score=None, memory=None, build=None, ks=None):
        self.name, self.search, self.own_score, self.memory, self.build = name, search, score, memory, build
        self.ks = ks  # the k it is worth asking for; None: all
        self.rates = []

    def score(self, data, queries, first, temperature, lam, k):
        if self.own_score:
            return self.own_score(queries, first, temperature, lam, k)
        distances, ids = self.search(queries, k)
        return mix(target_logp(data, distances, ids, temperature, first), data.lm[first:first + len(queries)], lam)


class Threads:
    """How many everyone uses."""

    def __init__(self):
        self.count = 1

    def set(self, count):
        self.count = count
        try:
            import faiss
            faiss.omp_set_num_threads(count)
        except ImportError:
            pass
        for path in glob.glob("/usr/lib/*/openblas*/libopenblas*.so*") + glob.glob("/usr/lib/*/libopenblas*.so*"):
            try:
                ctypes.CDLL(path).openblas_set_num_threads(count)
            except (OSError, AttributeError):
                pass


def sgemm_method(data):
    keys = data.keys.astype(np.float32)
    norms = (keys * keys).sum(axis=1)

    def block(queries, k):
        d = queries @ keys.T
        d *= -2
        d += norms
        near = np.argpartition(d, k - 1, axis=1)[:, :k] if k < len(keys) else np.argsort(d, axis=1)
        return np.take_along_axis(d, near, 1) + (queries * queries).sum(axis=1, keepdims=True), near

    def search(queries, k):
        parts = [block(queries[i:i + 64], k) for i in range(0, len(queries), 64)]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    return Method("exact, NumPy's sgemm (float32)", search, memory=keys.nbytes)


def nestor_methods(data, store, threads, lean=None):
    """Options by name; ef is a share of the k of the comparison. lean: the same rows with walks over leading bits, opened
    so that only what walks read is copied to memory; the rest is pages of the file."""
    widths = store.collection.info()["widths"]
    policies = [("Nestor", {}, None), ("Nestor ef=k/4", {"ef": 0.25}, {1024}), ("Nestor ef=k/2", {"ef": 0.5}, {1024}),
                ("Nestor ef=k", {"ef": 1.0}, None), ("Nestor ef=2k", {"ef": 2.0}, None),
                ("Nestor eta=0.01", {"eta": 0.01}, {1024}), ("Nestor eta=0.1", {"eta": 0.1}, {1024})]
    policies += [(f"Nestor width {w}", {"width": w}, None) for w in widths[-3:-1]]
    policies += [("Nestor by codes", {"exact_distances": False}, None),
                 ("Nestor by codes ef=k/2", {"ef": 0.5, "exact_distances": False}, {1024}),
                 ("Nestor by codes ef=k/4", {"ef": 0.25, "exact_distances": False}, {1024}),
                 ("Nestor by codes ef=k", {"ef": 1.0, "exact_distances": False}, None)]
    policies += [("Nestor, exact scan", {"exact": True}, None)]
    policies = [(name, options, ks, store) for name, options, ks in policies]
    if lean:
        policies += [("Nestor lean", {}, None, lean), ("Nestor lean by codes", {"exact_distances": False}, None, lean),
                     ("Nestor lean by codes ef=k/2", {"ef": 0.5, "exact_distances": False}, {1024}, lean)]

    def options_of(options, k):
        options = dict(options)
        if "ef" in options:
            options["ef"] = max(16, int(options["ef"] * k))
        return options

    for name, options, ks, store in policies:
        memory = store.collection.info()["memory"]
        resident = memory["links"] + memory["codes"]  # the rest is pages of a file

        def score(queries, first, temperature, lam, k, options=options, store=store):
            return store.score(queries, data.targets[first:first + len(queries)], data.lm[first:first + len(queries)],
                               lam, k, temperature, threads=threads.count, **options_of(options, k))

        def search(queries, k, options=options, store=store):
            plain = {key: value for key, value in options_of(options, k).items() if key != "eta"}
            return store.search(queries, k, threads=threads.count, **plain)

        yield Method(name, search, score, resident, ks=ks)


def faiss_methods(data, report):
    try:
        import faiss
    except ImportError:
        report.append("Faiss is not installed (python3-faiss)")
        return
    keys = data.keys.astype(np.float32)
    # nlist 4096 and nprobe 32 belong to 1e8 keys; here about sqrt(N) lists.
    nlist = int(2 ** np.round(np.log2(np.sqrt(len(keys)))))
    parts = next(m for m in (64, 32, 16, 8, 4, 1) if data.dim % m == 0)
    # "np" as IndexIVFPQ in the codes of the literature: no reordering of the codes, which takes minutes.
    for spec, settings in ((f"IVF{nlist},PQ{parts}np", (8, 32)), (f"IVF{nlist},Flat", (8, 32, 64)),
                           ("HNSW16", ("k",)), ("Flat", (None,))):
        index = faiss.index_factory(data.dim, spec)
        began = time.perf_counter()
        index.train(keys)
        index.add(keys)
        seconds = time.perf_counter() - began
        size = len(faiss.serialize_index(index))
        for number, setting in enumerate(settings):
            def search(queries, k, index=index, setting=setting):
                if setting == "k":
                    faiss.downcast_index(index).hnsw.efSearch = k
                elif setting is not None:
                    index.nprobe = setting
                return index.search(queries, k)

            suffix = {"k": ", ef=k", None: " (sgemm)"}.get(setting, f", nprobe {setting}")
            yield Method(f"Faiss {spec}{suffix}", search, memory=size, build=seconds if number == 0 else None)


def hnswlib_method(data, threads, report):
    try:
        import hnswlib
    except ImportError:
        report.append("hnswlib is not installed (python3-hnswlib)")
        return
    began = time.perf_counter()
    index = hnswlib.Index(space="l2", dim=data.dim)
    index.init_index(len(data.keys), ef_construction=200, M=16)
    index.add_items(data.keys.astype(np.float32))
    seconds = time.perf_counter() - began

    def search(queries, k):
        index.set_ef(k)
        ids, distances = index.knn_query(queries, k, num_threads=threads.count)
        return distances, ids.astype(np.int64)

    # Level 0 of hnswlib: count and 2 M links, the vector, the label.
    yield Method("hnswlib M=16, ef=k", search, memory=len(data.keys) * (4 + 32 * 4 + 4 * data.dim + 8), build=seconds)
