"""The data of the comparison, and the arithmetic of a kNN language model in NumPy, which every method shares."""
import numpy as np

TEMPERATURES = 0.25 * 2 ** (np.arange(37) / 6)
LAMBDAS = np.arange(1, 20) / 20


class Data:
    """The first `tuned` queries choose temperature, lambda and gate; figures are of the others."""

    def __init__(self, folder, rows=None, queries=None):
        load = lambda name: np.load(folder / name, mmap_mode="r")
        plain = (folder / "keys.npy").exists()  # the sample beside the examples
        self.folder = folder
        self.keys = np.array(load("keys.npy" if plain else "datastore_keys.npy")[:rows])
        self.values = np.array(load("values.npy" if plain else "datastore_values.npy")[:rows]).astype(np.int64)
        self.queries = np.array(load("queries.npy" if plain else "query_keys.npy")[:queries]).astype(np.float32)
        self.targets = np.array(load("query_targets.npy")[:queries]).astype(np.int64)
        self.lm = np.array(load("query_lm_logprob.npy")[:queries]).astype(np.float64)
        self.tuned = len(self.queries) // 5

    @property
    def dim(self):
        return self.keys.shape[1]

    def confidence(self, words=1500):
        """Log of the largest probability and entropy of the language model at every query, or None.

        The data hold its whole distribution at 500 queries, all among those that tune. Its logits are linear in the
        key, so the rows of its output matrix follow by least squares, for the most probable words.
        """
        path = self.folder / "query_lm_probs_500.npy"
        if not path.exists() or self.tuned < 500:
            return None
        p = np.load(path).astype(np.float64)
        common = (p > 1e-6).all(axis=0)  # their mean log-probability stands for the normaliser, which is not known
        level = np.log(p[:, common]).mean(axis=1)
        p = p[:, np.argsort(-p.mean(axis=0))[:words]]
        x = np.c_[self.queries[:500], np.ones(500)].astype(np.float64)
        # float16 keeps 11 bits, of the smallest numbers fewer: rows count by what is left.
        weight = (p > 1e-6) / np.maximum(2.0**-11, 2.0**-25 / np.maximum(p, 1e-8)) ** 2 * 2.0**-22
        logits = np.log(np.maximum(p, 1e-8)) - level[:, None]
        output = np.empty((x.shape[1], p.shape[1]))
        for word in range(p.shape[1]):
            weighted = (x * weight[:, word, None]).T
            output[:, word] = np.linalg.solve(weighted @ x + 1e-4 * np.eye(x.shape[1]), weighted @ logits[:, word])
        logp = np.c_[self.queries, np.ones(len(self.queries))] @ output
        logp -= logp.max(axis=1, keepdims=True)
        logp -= np.log(np.exp(logp).sum(axis=1, keepdims=True))
        return np.stack([logp.max(axis=1), -(np.exp(logp) * logp).sum(axis=1)], axis=1)


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
        return np.logaddexp(np.log(lam) + knn, np.log1p(-np.asarray(lam)) + lm)


def tune(data, distances, ids):
    """(temperature, lambda) that suit the tuned queries best."""
    best = (-np.inf, 1.0, 0.25)
    lm = data.lm[:data.tuned]
    for temperature in TEMPERATURES:
        knn = target_logp(data, distances[:data.tuned], ids[:data.tuned], temperature)
        for lam in LAMBDAS:
            best = max(best, (mix(knn, lm, lam).sum(), temperature, lam))
    return best[1:]


def perplexity(logp):
    return float(np.exp(-np.mean(logp)))


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                                for i, (cell, w) in enumerate(zip(row, widths))) + " |")
        if number == 0:
            print("| " + " | ".join("-" * w for w in widths) + " |")
    print(flush=True)
