"""The rest of the kNN-LM family on the same data: gate, adaptive k, pointers, merge, adapter, dispersion."""
import time

import numpy as np

import nestor
from lm_data import Data, mix, perplexity, table, target_logp, tune
from methods import sgemm_method


class Way:
    """One way to read a text: read(first, last) -> (log p, searches, neighbours asked for)."""

    def __init__(self, name, read, skips=0.0):
        self.name, self.read, self.skips = name, read, skips
        self.seconds, self.logp, self.searches, self.neighbours = 0.0, [], 0, 0

    def run(self, first, last):
        began = time.perf_counter()
        logp, searches, neighbours = self.read(first, last)
        self.seconds += time.perf_counter() - began
        self.logp.append(logp)
        self.searches += searches
        self.neighbours += neighbours


def looked_up(data, store, k, temperature, weights, **options):
    """weights(first, last) -> lambda of those queries, 0 where there is no search."""
    def read(first, last):
        found = store.score(data.queries[first:last], data.targets[first:last], data.lm[first:last],
                            weights(first, last), k, temperature, threads=1, details=True, **options)
        return found["log_probabilities"], (found["searched"] > 0).sum(), found["searched"].sum()

    return read


def followed(data, store, k, temperature, weights, automaton):
    def read(first, last):
        lam = np.broadcast_to(weights(first, last), last - first)
        logp = data.lm[first:last].copy()
        before, asked = automaton.searches, 0
        for q, (key, target) in enumerate(zip(data.queries[first:last], data.targets[first:last])):
            if lam[q] == 0:
                automaton.reset()
                continue
            distances, ids = automaton.neighbours(key)
            asked += len(ids)
            one = nestor.token_log_probability(distances, store.values(ids), target, temperature)
            logp[q] = mix(one, logp[q], lam[q])
            automaton.emit(target)
        return logp, automaton.searches - before, asked

    return read


def reading(data, store, settings, rounds, batch, k):
    """Gate, adaptive k and pointers against plain lookups, alone and together, in reading order, on tokens that nothing
    was tuned on; every block of text is read by each way in turn."""
    temperature, lam = settings
    tuned = slice(0, data.tuned)
    knn = store.score(data.queries[tuned], data.targets[tuned], data.lm[tuned], 0.5, k, temperature,
                      details=True)["knn_log_probabilities"]
    sure = data.confidence()
    features = {"key": data.queries}
    if sure is not None:
        features |= {"confidence": sure, "key and confidence": np.c_[data.queries, sure]}
    gates = {name: nestor.SkipGate().fit(x[tuned], knn, data.lm[tuned]) for name, x in features.items()}
    best = "key and confidence" if sure is not None else "key"

    def gated(share, name=best):
        gate = gates[name].choose(features[name][tuned], share)
        theta = gate.theta

        def weights(first, last):
            own = gate.weights(features[name][first:last])
            return np.where(own >= theta, own, np.float32(0))
        return weights

    constant = lambda first, last: lam
    ways = [Way("plain", looked_up(data, store, k, temperature, constant))]
    for eta in (0.01, 0.05, 0.1, 0.2):
        ways.append(Way(f"eta {eta}", looked_up(data, store, k, temperature, constant, eta=eta)))
    ways.append(Way("gate's lambda, none skipped", looked_up(data, store, k, temperature, gated(0))))
    for name in features:
        for share in (0.1, 0.3, 0.5) if name == best else (0.5,):
            ways.append(Way(f"gate by {name}, {share:.0%}", looked_up(data, store, k, temperature, gated(share, name))))
    ways.append(Way("gate 30%, eta 0.1", looked_up(data, store, k, temperature, gated(0.3), eta=0.1)))
    for minimum, share, eta in ((1, 0, 0), (64, 0, 0), (256, 0, 0), (256, 0.3, 0), (256, 0.1, 0.1), (256, 0.3, 0.1)):
        automaton = nestor.RetoMaton(store, k=k, min_knns=minimum, eta=eta, temp=temperature)
        weights = gated(share) if share else constant
        ways.append(Way(f"pointers while {minimum}" + (f", gate {share:.0%}" if share else "") +
                        (f", eta {eta}" if eta else ""),
                        followed(data, store, k, temperature, weights, automaton)))
    first = data.tuned
    last = min(len(data.queries), first + rounds * batch)
    for turn, start in enumerate(range(first, last, batch)):
        for way in ways if turn % 2 == 0 else reversed(ways):
            way.run(start, min(start + batch, last))
    plain, count = ways[0], last - first
    plain_logp = np.concatenate(plain.logp)
    rows = [["way", "perplexity", "as many skipped at random", "searches", "neighbours a token", "tokens/s, 1 thread",
             "x plain"]]
    for way in ways:
        skipped = 1 - way.searches / count
        random = perplexity(skipped * data.lm[first:last] + (1 - skipped) * plain_logp) if "gate by" in way.name else None
        rows.append([way.name, f"{perplexity(np.concatenate(way.logp)):.2f}", f"{random:.2f}" if random else "",
                     f"{100 * way.searches / count:.0f} %", f"{way.neighbours / count:.0f}",
                     f"{count / way.seconds:.0f}", f"{plain.seconds / way.seconds:.2f}"])
    print(f"adaptive retrieval, k = {k}, tokens {first}..{last - 1} in reading order; language model alone "
          f"{perplexity(data.lm[first:last]):.2f}\n")
    table(rows)


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
    print(f"greedy merge, k = {k}\n")
    table(rows)


def dispersion(data):
    """Does the ranking of layers by dispersion agree with kNN-LM perplexity?"""
    layer1, queries1 = data.folder / "alt_layer1_datastore_keys.npy", data.folder / "alt_layer1_query_keys.npy"
    if not layer1.exists() or len(data.queries) < 2000:
        return
    keys = {"layer 1": np.load(layer1), "layer 2 (the key)": data.keys[:20000]}
    asked = {"layer 1": np.load(queries1), "layer 2 (the key)": data.queries[:2000]}
    chosen, mixed = {}, {}
    for name in keys:
        sample = Data.__new__(Data)
        sample.keys, sample.values = keys[name], data.values[:20000]
        sample.queries = asked[name].astype(np.float32)
        sample.targets, sample.lm, sample.tuned = data.targets[:2000], data.lm[:2000], 500
        found = sgemm_method(sample).search(sample.queries, 256)
        temperature, lam = chosen[name] = tune(sample, *found)
        mixed[name] = mix(target_logp(sample, *found, temperature)[500:], sample.lm[500:], lam)
    print("dispersion of the layer samples, kNN-LM of the same rows (20,000), k = 256, tuned on 500, reported on 1,500\n")
    table([["keys", "dispersion", "perplexity", "T", "lambda"]] +
          [[name, f"{nestor.measure(keys[name]).value(0):.4f}", f"{perplexity(mixed[name]):.2f}",
            f"{chosen[name][0]:.2f}", f"{chosen[name][1]:.2f}"] for name in keys])
    gain = mixed["layer 1"] - mixed["layer 2 (the key)"]
    print(f"layer 1 over layer 2: {gain.mean():+.4f} nats a token, standard error {gain.std() / np.sqrt(len(gain)):.4f}\n")
    widths = [w for w in (16, 32, 64, 128, 256) if w <= data.dim]
    measured, rest = nestor.measure(data.keys, widths), nestor.measure(data.queries, widths)
    table([["width", "dispersion of the keys", "between keys and queries", "gap G"]] +
          [[w, f"{measured.value(i):.4f}", f"{measured.between(rest, i):.4f}", f"{measured.gap(rest, i):.4f}"]
           for i, w in enumerate(widths)])


def adapter(data, store):
    queries1 = data.folder / "alt_layer1_query_keys.npy"
    if not queries1.exists() or len(data.queries) < 2000:
        return
    student, teacher = np.load(queries1).astype(np.float32), data.queries[:2000]
    fitted = nestor.LinearAdapter().fit(student[:1500], teacher[:1500])
    rows = [["student", "overlap@1", "overlap@10", "overlap@100"]]
    for name, asked in (("layer 1 as it is", student[1500:]), ("layer 1 adapted", fitted(student[1500:]))):
        report = nestor.overlap_report(store, teacher[1500:], asked)
        rows.append([name] + [f"{report[k]:.3f}" for k in (1, 10, 100)])
    print("a linear adapter for another query encoder: fitted on 1,500 queries, reported on 500\n")
    table(rows)
