"""KnnSaver and KNNWrapper: record a model's keys, and mix neighbours into its output.

Both work on any model that follows the hook protocol of torch.nn.Module: register_forward_pre_hook(f(module, inputs)),
register_forward_hook(f(module, inputs, output)), each giving a handle with remove(). The names are those that users of
kNN-LM code for Hugging Face models know; torch itself is not imported.
"""

from __future__ import annotations

import re
from typing import Any, Callable

import numpy as np

from .arguments import to_numpy

PAD = -100
"""Label of a position that does not count."""

# Where the last feed-forward block sits, by config.model_type. Its input (after the layer norm) is the key that works
# best (Khandelwal et al. 2020, section 5).
LAST_FFN = {
    "gpt2": "transformer.h[-1].mlp", "gpt_neo": "transformer.h[-1].mlp", "gptj": "transformer.h[-1].mlp",
    "gpt_neox": "gpt_neox.layers[-1].mlp", "opt": "model.decoder.layers[-1].fc1",
    "bart": "model.decoder.layers[-1].fc1", "marian": "model.decoder.layers[-1].fc1",
    "mbart": "model.decoder.layers[-1].fc1", "t5": "decoder.block[-1].layer[2].DenseReluDense",
    "llama": "model.layers[-1].mlp", "mistral": "model.layers[-1].mlp", "qwen2": "model.layers[-1].mlp",
    "gemma": "model.layers[-1].mlp",
}


def resolve(root: Any, path: str) -> Any:
    """root.a.b[-1].c from "a.b[-1].c"."""
    for name, index in re.findall(r"([A-Za-z_]\w*)|\[(-?\d+)\]", path):
        root = getattr(root, name) if name else root[int(index)]
    return root


def find_layer(model: Any, layer: Any = None) -> Any:
    """The module whose input is the key: `layer` as a module or a path, else by the model's type."""
    if layer is not None:
        return resolve(model, layer) if isinstance(layer, str) else layer
    kind = getattr(getattr(model, "config", None), "model_type", None)
    if kind not in LAST_FFN:
        raise ValueError(f"no key layer is known for model_type {kind!r}; name it with layer='path.to[-1].module' "
                         f"(known: {', '.join(sorted(LAST_FFN))})")
    return resolve(model, LAST_FFN[kind])


class _Capture:
    """Keeps the input of one layer from one forward pass to whoever asks for it."""

    def __init__(self, layer: Any) -> None:
        self.keys: np.ndarray | None = None
        self.handle = layer.register_forward_pre_hook(self._take)

    def _take(self, _module: Any, inputs: Any) -> None:
        keys = to_numpy(inputs[0] if isinstance(inputs, (tuple, list)) else inputs)
        self.keys = keys[None] if keys.ndim == 2 else keys  # [batch x positions x dim]

    def last(self) -> np.ndarray:
        if self.keys is None:
            raise RuntimeError("the key layer did not run before the output was made: is it part of this model?")
        return self.keys


class KnnSaver:
    """Appends (key, next token) of every forward pass to a datastore; no size is needed up front.

        saver = KnnSaver(store).break_into(model)
        for batch in corpus:
            model(input_ids=batch, labels=batch)
        saver.break_out()
        store.build()

    Decoder-only models predict labels[t + 1] at position t; encoder-decoder models (config.is_encoder_decoder)
    labels[t]. Positions labelled -100 are left out. Without labels, input_ids are taken.
    """

    def __init__(self, store: Any, *, layer: Any = None) -> None:
        self.store = store
        self.layer = layer
        self.saved = 0
        self._model: Any = None
        self._capture: _Capture | None = None
        self._forward: Callable[..., Any] | None = None

    def break_into(self, model: Any) -> KnnSaver:
        if self._model is not None:
            raise RuntimeError("this saver is inside a model already; break_out() first")
        self._capture = _Capture(find_layer(model, self.layer))
        self._model, self._forward = model, model.forward
        model.forward = self._run
        return self

    def break_out(self) -> None:
        if self._model is None:
            return
        self._capture.handle.remove()
        # The method comes from the class again; a model that had an instance attribute gets it back.
        if getattr(self._forward, "__self__", None) is self._model:
            del self._model.forward
        else:
            self._model.forward = self._forward
        self._model = self._capture = self._forward = None

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        output = self._forward(*args, **kwargs)
        labels = kwargs.get("labels")
        if labels is None:
            labels = kwargs.get("input_ids", args[0] if args else None)
        if labels is None:
            raise ValueError("the forward pass had neither labels nor input_ids: there is no next token to save")
        self._save(to_numpy(labels), kwargs.get("doc_ids"))
        return output

    def _save(self, labels: np.ndarray, doc_ids: Any) -> None:
        keys = self._capture.last()
        labels = labels[None] if labels.ndim == 1 else labels
        if not getattr(getattr(self._model, "config", None), "is_encoder_decoder", False):
            keys, labels = keys[:, :-1], labels[:, 1:]
        if keys.shape[:2] != labels.shape:
            raise ValueError(f"keys of {keys.shape[:2]} positions do not fit labels of {labels.shape}")
        wanted = labels != PAD
        documents = None
        if doc_ids is not None:
            documents = np.broadcast_to(to_numpy(doc_ids).reshape(-1, 1), labels.shape)[wanted]
        if wanted.any():
            self.store.append(np.ascontiguousarray(keys[wanted], dtype=np.float32), labels[wanted], doc_ids=documents)
            self.saved += int(wanted.sum())


class KNNWrapper:
    """Mixes p_kNN into a model's output: its logits become log(lmbda p_kNN + (1 - lmbda) p_LM).

        wrapper = KNNWrapper(store, lmbda=0.25, k=1024, knn_temp=1.0).break_into(model)
        model(input_ids=...)        # or model.generate(...)
        wrapper.break_out()

    gate: a function of the keys [n x dim] and the LM's log-probabilities [n x vocabulary] that gives lambda for each
    position; where it is 0 no search is made. output_layer: module or path; default get_output_embeddings() or lm_head.
    """

    def __init__(self, store: Any, lmbda: float = 0.25, k: int = 1024, knn_temp: float = 1.0,
                 knn_keytype: str = "last_ffn_input", *, layer: Any = None, output_layer: Any = None,
                 gate: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None, **options: Any) -> None:
        if knn_keytype != "last_ffn_input" and layer is None:
            raise ValueError(f"unknown knn_keytype {knn_keytype!r}: it is last_ffn_input, or name the module with layer=")
        if not 0 <= lmbda <= 1:
            raise ValueError(f"lmbda must lie in 0..1, got {lmbda}")
        self.store, self.lmbda, self.k, self.knn_temp = store, lmbda, k, knn_temp
        self.layer, self.output_layer, self.gate, self.options = layer, output_layer, gate, options
        self.searched = self.skipped = 0
        self._capture: _Capture | None = None
        self._handle: Any = None

    def break_into(self, model: Any) -> KNNWrapper:
        if self._capture is not None:
            raise RuntimeError("this wrapper is inside a model already; break_out() first")
        output = self.output_layer
        if output is None and hasattr(model, "get_output_embeddings"):
            output = model.get_output_embeddings()
        if output is None:
            output = getattr(model, "lm_head", None)
        if output is None:
            raise ValueError("the model has no output layer that is known; name it with output_layer=")
        output = resolve(model, output) if isinstance(output, str) else output
        self._capture = _Capture(find_layer(model, self.layer))
        self._handle = output.register_forward_hook(self._mix)
        return self

    def break_out(self) -> None:
        if self._capture is None:
            return
        self._capture.handle.remove()
        self._handle.remove()
        self._capture = self._handle = None

    def _mix(self, _module: Any, _inputs: Any, output: Any) -> Any:
        logits = to_numpy(output).astype(np.float32)
        shape = logits.shape
        logits = logits.reshape(-1, shape[-1])
        keys = self._capture.last()
        keys = keys.reshape(-1, keys.shape[-1])
        if len(keys) != len(logits):
            # generate() may ask for the output of the last position only
            keys = self._capture.last()[:, -(len(logits) // len(self._capture.last())):].reshape(-1, keys.shape[-1])
        lm = logits - _log_sum_exp(logits)
        lam = np.full(len(lm), self.lmbda, dtype=np.float32)
        if self.gate is not None:
            lam = np.asarray(self.gate(keys, lm), dtype=np.float32)
        wanted = np.flatnonzero(lam > 0)
        self.searched += len(wanted)
        self.skipped += len(lm) - len(wanted)
        if len(wanted):
            found = self.store.knn_logprobs(np.ascontiguousarray(keys[wanted], dtype=np.float32), k=self.k,
                                            temp=self.knn_temp, **self.options)
            lm[wanted] = found.mix(lm[wanted], lam[wanted])
        mixed = lm.reshape(shape)
        return output.new_tensor(mixed) if hasattr(output, "new_tensor") else mixed


def _log_sum_exp(x: np.ndarray) -> np.ndarray:
    high = x.max(axis=-1, keepdims=True)
    return high + np.log(np.exp(x - high).sum(axis=-1, keepdims=True))
