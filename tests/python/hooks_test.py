"""KnnSaver and KNNWrapper on a stand-in that follows torch's hook protocol, and on torch itself where it is installed.
Run by ctest, see scripts/python_package.cmake."""
import importlib.util
import tempfile
import types
import unittest

import numpy as np

import nestor
from nestor.hooks import find_layer, resolve

VOCABULARY, DIM = 12, 8


class Module:
    """The part of torch.nn.Module that the hooks rely on."""

    def __init__(self):
        self.before, self.after = {}, {}

    def _handle(self, hooks, hook):
        key = object()
        hooks[key] = hook
        return types.SimpleNamespace(remove=lambda: hooks.pop(key))

    def register_forward_pre_hook(self, hook):
        return self._handle(self.before, hook)

    def register_forward_hook(self, hook):
        return self._handle(self.after, hook)

    def __call__(self, *args, **kwargs):
        for hook in list(self.before.values()):
            hook(self, args)
        output = self.forward(*args, **kwargs)
        for hook in list(self.after.values()):
            changed = hook(self, args, output)
            output = output if changed is None else changed
        return output


class Linear(Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        return x @ self.weight


class Model(Module):
    """A bigram model with the shape of GPT-2."""

    def __init__(self, encoder_decoder=False):
        super().__init__()
        random = np.random.default_rng(1)
        self.config = types.SimpleNamespace(model_type="gpt2", is_encoder_decoder=encoder_decoder)
        self.embedding = random.normal(size=(VOCABULARY, DIM)).astype(np.float32)
        block = types.SimpleNamespace(mlp=Linear(np.eye(DIM, dtype=np.float32)))
        self.transformer = types.SimpleNamespace(h=[None, block])
        self.lm_head = Linear(random.normal(size=(DIM, VOCABULARY)).astype(np.float32))

    def forward(self, input_ids=None, labels=None, doc_ids=None):
        return self.lm_head(self.transformer.h[-1].mlp(self.embedding[input_ids]))


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class HooksTest(unittest.TestCase):
    def setUp(self):
        # A store that is still referenced keeps its files, and RocksDB may tidy them while they are removed.
        self.directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.database = nestor.Database(self.directory.name, background_builds=False)
        self.store = self.database.create_datastore("keys", DIM, dtype="float32")
        self.ids = np.random.default_rng(2).integers(VOCABULARY, size=(3, 20))

    def tearDown(self):
        self.database.close()
        self.directory.cleanup()

    def test_a_saver_appends_each_key_with_the_token_that_followed(self):
        model = Model()
        plain = model(input_ids=self.ids)
        saver = nestor.KnnSaver(self.store).break_into(model)
        labels = self.ids.copy()
        labels[1, 5] = -100
        np.testing.assert_array_equal(model(input_ids=self.ids, labels=labels), plain)
        saver.break_out()
        model(input_ids=self.ids)  # no longer recorded
        keep = labels[:, 1:] != -100
        self.assertEqual(saver.saved, keep.sum())
        rows = np.arange(len(self.store))
        np.testing.assert_array_equal(self.store.values(rows), labels[:, 1:][keep])
        np.testing.assert_array_equal(self.store.get_vectors(rows), model.embedding[self.ids[:, :-1][keep]])
        self.assertNotIn("forward", vars(model))

    def test_an_encoder_decoder_is_not_shifted_and_documents_are_kept(self):
        model = Model(encoder_decoder=True)
        saver = nestor.KnnSaver(self.store).break_into(model)
        model(input_ids=self.ids, labels=self.ids, doc_ids=np.array([7, 8, 9]))
        saver.break_out()
        np.testing.assert_array_equal(self.store.values(np.arange(60)), self.ids.ravel())
        self.assertEqual(self.store.next_ids([18, 19, 20]).tolist(), [19, -1, 21])

    def test_a_wrapper_mixes_the_neighbours_in_and_leaves_no_trace(self):
        model = Model()
        saver = nestor.KnnSaver(self.store).break_into(model)
        model(input_ids=self.ids)
        saver.break_out()
        plain = model(input_ids=self.ids)
        wrapper = nestor.KNNWrapper(self.store, lmbda=0.4, k=8, knn_temp=2.0, exact=True).break_into(model)
        got = model(input_ids=self.ids)
        self.assertEqual(got.shape, plain.shape)
        keys = model.embedding[self.ids].reshape(-1, DIM)
        p_knn = np.exp(self.store.lookup(keys, 8, 2.0, exact=True).dense(VOCABULARY))
        expected = 0.4 * p_knn + 0.6 * np.exp(log_softmax(plain.reshape(-1, VOCABULARY)))
        np.testing.assert_allclose(np.exp(got.reshape(-1, VOCABULARY)), expected, atol=1e-5)
        wrapper.break_out()
        np.testing.assert_array_equal(model(input_ids=self.ids), plain)

    def test_a_gate_decides_which_positions_search(self):
        model = Model()
        self.store.append(np.random.default_rng(1).normal(size=(30, DIM)), np.arange(30) % VOCABULARY)
        plain = model(input_ids=self.ids)
        gate = lambda keys, lm: np.where(np.arange(len(keys)) % 3 == 0, 0.5, 0.0)
        wrapper = nestor.KNNWrapper(self.store, k=4, gate=gate).break_into(model)
        got = model(input_ids=self.ids).reshape(-1, VOCABULARY)
        self.assertEqual((wrapper.searched, wrapper.skipped), (20, 40))
        np.testing.assert_allclose(got[1], log_softmax(plain.reshape(-1, VOCABULARY))[1], atol=1e-5)

    def test_misuse_is_refused_with_a_hint(self):
        model = Model()
        model.config.model_type = "unheard of"
        with self.assertRaisesRegex(ValueError, "layer="):
            nestor.KnnSaver(self.store).break_into(model)
        self.assertIs(find_layer(model, "transformer.h[-1].mlp"), model.transformer.h[-1].mlp)
        self.assertIs(resolve(model, "transformer.h[1].mlp"), model.transformer.h[1].mlp)
        with self.assertRaisesRegex(ValueError, "0..1"):
            nestor.KNNWrapper(self.store, lmbda=2)
        with self.assertRaisesRegex(ValueError, "knn_keytype"):
            nestor.KNNWrapper(self.store, knn_keytype="odd")
        saver = nestor.KnnSaver(self.store, layer="transformer.h[-1].mlp").break_into(model)
        with self.assertRaisesRegex(RuntimeError, "break_out"):
            saver.break_into(model)
        with self.assertRaisesRegex(ValueError, "do not fit"):
            model(input_ids=self.ids, labels=self.ids[:, :5])

    @unittest.skipUnless(importlib.util.find_spec("torch"), "torch is not installed")
    def test_the_same_with_torch(self):
        import torch

        class Block(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.mlp = torch.nn.Linear(DIM, DIM)

            def forward(self, x):
                return x + self.mlp(x)

        class Small(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.config = types.SimpleNamespace(model_type="gpt2")
                self.embedding = torch.nn.Embedding(VOCABULARY, DIM)
                self.transformer = torch.nn.Module()
                self.transformer.h = torch.nn.ModuleList([Block(), Block()])
                self.lm_head = torch.nn.Linear(DIM, VOCABULARY)

            def forward(self, input_ids, labels=None):
                x = self.embedding(input_ids)
                for block in self.transformer.h:
                    x = block(x)
                return self.lm_head(x)

        torch.manual_seed(1)
        model, ids = Small().eval(), torch.tensor(self.ids)
        saver = nestor.KnnSaver(self.store).break_into(model)
        plain = model(ids, labels=ids)
        saver.break_out()
        self.assertEqual(len(self.store), 57)
        np.testing.assert_array_equal(self.store.values(np.arange(57)), self.ids[:, 1:].ravel())
        wrapper = nestor.KNNWrapper(self.store, lmbda=0.3, k=5).break_into(model)
        got = model(ids)
        wrapper.break_out()
        self.assertIsInstance(got, torch.Tensor)
        np.testing.assert_allclose(got.exp().sum(-1).detach().numpy(), 1, atol=1e-5)
        self.assertFalse(torch.allclose(got, torch.log_softmax(plain, -1), atol=1e-3))
        torch.testing.assert_close(model(ids), plain)


if __name__ == "__main__":
    unittest.main()
