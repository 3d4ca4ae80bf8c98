#!/usr/bin/env python3
"""From text to perplexity: a small language model, its datastore, and what the neighbours add.

    PYTHONPATH=build/release/python python3 examples/knn_lm.py [BOOK.txt]

Read it from top to bottom. The language model is a bigram model in NumPy, so that nothing has to be downloaded; with a
real one, replace `states` and `lm_log_probabilities` by your model's, or let nestor.KnnSaver record them (last lines).
"""
import pathlib
import re
import sys
import tempfile

import numpy as np

import nestor

# 1. Text -> tokens. The first nine tenths are known, the last tenth is read with them at hand.
if len(sys.argv) > 1:
    text = pathlib.Path(sys.argv[1]).read_text(errors="replace")
else:
    text = " ".join(path.read_text() for path in sorted(pathlib.Path(__file__).parents[1].glob("docs/*.md")))
words = re.findall(r"\w+|[^\w\s]", text.lower())
names, counts = np.unique(words, return_counts=True)
vocabulary = names[np.argsort(-counts)][:5000]
number = {word: i for i, word in enumerate(vocabulary)}
tokens = np.array([number[word] for word in words if word in number])
split = len(tokens) * 9 // 10
known, read = tokens[:split], tokens[split:]
print(f"{len(tokens)} tokens, {len(vocabulary)} words; {len(known)} known, {len(read)} to read")

# 2. A language model: add-k bigrams, mixed with unigrams.
bigrams = np.zeros((len(vocabulary), len(vocabulary)), dtype=np.float32)
np.add.at(bigrams, (known[:-1], known[1:]), 1)
unigrams = (bigrams.sum(axis=0) + 0.1) / (bigrams.sum() + 0.1 * len(vocabulary))
p_lm = 0.7 * (bigrams + 2 * unigrams) / (bigrams.sum(axis=1, keepdims=True) + 2) + 0.3 * unigrams

# 3. Keys: what the model "saw" at each position. Here a nested one: random word vectors summed over the last words,
#    the nearest word in the first coordinates and longer context behind it.
random = np.random.default_rng(1)
embedding = random.normal(size=(len(vocabulary), 32)).astype(np.float32)


def states(ids):
    parts = [np.pad(embedding[ids][: len(ids) - back], ((back, 0), (0, 0))) * weight
             for back, weight in ((0, 1.0), (1, 0.8), (2, 0.6), (3, 0.4))]
    return np.concatenate(parts, axis=1).astype(np.float32)  # [positions x 128]


def lm_log_probabilities(ids, targets):
    return np.log(p_lm[ids, targets])


def perplexity(logp):
    return float(np.exp(-logp.mean()))


# 4. The datastore: (state, the token that followed), in reading order. No size is needed up front.
with tempfile.TemporaryDirectory() as directory, nestor.Database(directory) as database:
    store = database.create_datastore("text", dim=128, widths=[32, 64, 128])
    store.append(states(known[:-1]), known[1:])
    print("built in {seconds:.1f} s, {rows} rows".format(**store.build()))

    # 5. Temperature and lambda are chosen on the first half of what is read, reported on the second.
    queries, targets = states(read[:-1]), read[1:]
    lm = lm_log_probabilities(read[:-1], targets)
    half = len(targets) // 2
    best = max((store.score(queries[:half], targets[:half], lm[:half], lam, 256, temp).mean(), lam, temp)
               for lam in (0.1, 0.25, 0.5) for temp in (4.0, 16.0, 64.0))
    _, lam, temp = best
    mixed = store.score(queries[half:], targets[half:], lm[half:], lam, 256, temp)
    print(f"lambda {lam}, temperature {temp}")
    print(f"perplexity: language model alone {perplexity(lm[half:]):.2f}, with neighbours {perplexity(mixed):.2f}")

    # 6. What a lookup says, in words.
    found = store.knn_logprobs(queries[:1], k=256, temp=temp, topm=5)
    ids, logp = found.row(0)
    print(f"after \"{vocabulary[read[0]]}\":", ", ".join(f"{vocabulary[i]} {np.exp(l):.2f}" for i, l in zip(ids, logp)))

    # 7. Cheaper: fewer neighbours where the rest cannot matter, no search where the gate says it will not help.
    details = store.score(queries[half:], targets[half:], lm[half:], lam, 256, temp, eta=0.05, details=True)
    print(f"eta 0.05: {perplexity(details['log_probabilities']):.2f} with {details['searched'].mean():.0f} neighbours a token")
    knn = store.score(queries[:half], targets[:half], lm[:half], 0.5, 256, temp, details=True)["knn_log_probabilities"]
    sure = nestor.confidence_features(np.log(p_lm[read[:-1]]))  # how sure the language model is, before any search
    gate = nestor.SkipGate().fit(sure[:half], knn, lm[:half]).choose(sure[:half], share=0.5)
    gated = store.score(queries[half:], targets[half:], lm[half:], gate(sure[half:]), 256, temp, details=True)
    print(f"skip gate: {perplexity(gated['log_probabilities']):.2f} with {(gated['searched'] > 0).mean():.0%} of the searches")

# With a Hugging Face model:
#   saver = nestor.KnnSaver(store).break_into(model)       # then run the model over the corpus
#   wrapper = nestor.KNNWrapper(store, lmbda=0.25, k=1024, knn_temp=1.0).break_into(model)
