"""What is no spiking network, trained the same way on the same samples: one row each in the same table."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ... import train
from ...data import Dataset, Split, folder_vocabulary, shakespeare
from ...errors import BadInput
from ...models import gru_language, transformer_language
from ...train import Epoch
from ...train.history import history_to_dict
from ..grid import Outcome
from ..models import Where, build
from .cells import NeuronCell
from .tasks import Task, bits_of

LEAST = 2  # training samples that a word must be in
NONE = {"layers": {}, "spikes": None, "synops": None, "energy": None, "exact": None, "size_bits": None}


def compute(cell: NeuronCell, where: Where, task: Task) -> Outcome:
    """A baseline, with as many parameters as the spiking network where it can have them.

    Raises:
        BadInput: a loss that is not finite, or texts without words.
    """
    torch.manual_seed(cell.seed)
    dataset = task.dataset
    if cell.language:
        size = sum(p.numel() for p in build(where, dataset).parameters())
        words, timesteps, v = dataset, cell.timesteps, dataset.frame[0]
        module = (
            gru_language(v, size)
            if cell.neuron == "GRU"
            else transformer_language(v, size, context=timesteps)
        )
    else:
        known = shakespeare().vocabulary if where.data is None else folder_vocabulary(where.data)
        words, timesteps = bags(dataset, known), 1
        module = _Linear(words.frame[0], len(dataset.classes))
    history: list[Epoch] = []
    began = time.perf_counter()
    module = train.fit_plain(
        module, words, epochs=cell.epochs, learning_rate=cell.learning_rate, batch_size=cell.batch_size,
        timesteps=timesteps, loss=task.loss, seed=cell.seed, history=history,
    ).eval()  # fmt: skip
    seconds = time.perf_counter() - began
    found = bits_of(module, words.test, timesteps) if cell.language else _right(module, words.test)
    record: dict[str, Any] = {
        "row": cell.row,
        "data": dataset.source,
        **NONE,
        **found,
        "parameters": sum(p.numel() for p in module.parameters()),
        "statistics": {},
        "history": history_to_dict(history),
        "seconds": {"train": round(seconds, 2), "all": round(time.perf_counter() - began, 2)},
    }
    return Outcome(record)


class _Linear(torch.nn.Module):
    """A linear classifier of counts."""

    def __init__(self, words: int, classes: int):
        super().__init__()
        self.weigh = torch.nn.Linear(words, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.weigh(x.to(self.weigh.weight.dtype))


def bags(dataset: Dataset, vocabulary: Sequence[str]) -> Dataset:
    """Labelled texts as counts of words, uint8 [N, words]: those in two training samples or more.

    Args:
        dataset: texts as spikes [N, T, V].
        vocabulary: the character of each token.

    Raises:
        BadInput: no such word.
    """
    parts = {name: _words(getattr(dataset, name), vocabulary) for name in ("train", "validation", "test")}
    seen = Counter(word for words in parts["train"] for word in set(words))
    known = {word: k for k, word in enumerate(sorted(w for w, n in seen.items() if n >= LEAST))}
    if not known:
        raise BadInput(
            f"a bag of words must have a word that {LEAST} training texts hold, but {dataset.name} has none; give "
            "more texts, or --no-baselines"
        )
    train_split, validation, test = (
        Split(_counts(words, known), getattr(dataset, name).labels) for name, words in parts.items()
    )
    return Dataset("bags of words", train_split, validation, test, dataset.classes, dataset.source)


def _words(split: Split, vocabulary: Sequence[str]) -> list[list[str]]:
    """The words of each sample, in lower case; behind its end there are no tokens."""
    texts = ["".join(vocabulary[int(t)] for t in x[x.any(1)].argmax(1)) for x in split.inputs]
    return [re.findall(r"\w+", text.lower()) for text in texts]


def _counts(samples: Sequence[Sequence[str]], known: dict[str, int]) -> NDArray[np.uint8]:
    made = np.zeros((len(samples), len(known)), np.int64)
    for row, words in zip(made, samples, strict=True):
        for word in words:
            if word in known:
                row[known[word]] += 1
    return np.minimum(made, 255).astype(np.uint8)


@torch.no_grad()
def _right(module: torch.nn.Module, test: Split) -> dict[str, Any]:
    logits = module(torch.from_numpy(test.batch(np.arange(len(test)), 1)))[0]
    right = logits.argmax(1).numpy() == test.labels
    return {
        "accuracy": float(right.mean()),
        "correct": int(right.sum()),
        "n": len(test),
        "right": np.packbits(right).tobytes().hex(),
    }
