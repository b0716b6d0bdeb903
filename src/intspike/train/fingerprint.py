"""What a training is asked for, as short texts: equal texts, equal training."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Dataset
from ..nn import Network
from .plan import Plan

_ROWS = 1 << 12


def fingerprint(plan: Plan, net: Network, **others: object) -> dict[str, str]:
    """Every argument of a training by name; data and networks by the beginning of their SHA-256.

    A function is known by its name alone: what it does may change unseen.
    """
    names = ("epochs", "batch_size", "rate", "timesteps", "test_timesteps", "patience", "warmup", "seed")
    made = {name: repr(getattr(plan, name)) for name in names}
    made |= {name: described(getattr(plan, name)) for name in ("loss", "augment", "regularizer")}
    if plan.regularizer is not None:
        made["teacher"] = of_network(plan.regularizer.teacher)
    made |= {"data": of_data(plan.data), "network": of_network(net)}
    return made | {name: repr(value) for name, value in others.items()}


def quantizers(net: Network) -> dict[str, dict[str, str]]:
    """What weights, membrane potentials and other states of each layer are quantized by; None is full precision."""
    return {
        g.name: {
            "weights": described(g.weight),
            "states": described(g.state),
            "others": described(g.neuron.others),
        }
        for g in net.layers
    }


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Names and values of what differs, as a part of a sentence; nothing where all is equal."""
    names = [n for n in {**before, **now} if before.get(n) != now.get(n)]
    return ", ".join(f"{n}: {_short(before.get(n))} there, {_short(now.get(n))} now" for n in names)


def _short(text: str | None) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def described(value: Any) -> str:
    """A value's text without addresses, which are others in every process."""
    text = repr(value)
    if re.search(r" at 0x[0-9a-f]+", text) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def of_data(data: Dataset) -> str:
    """Of the training and validation splits."""
    digest = hashlib.sha256(f"{data.high}".encode())
    for split in (data.train, data.validation):
        digest.update(f"\n{split.timed}\n".encode())
        _add(digest, split.inputs)
        _add(digest, split.labels)
    return digest.hexdigest()[:16]


def of_network(net: Network) -> str:
    """Of a network's structure, quantizers and tensors."""
    forms = [(g.neuron.leak, g.neuron.comparison, g.bias, g.order, g.sources) for g in net.layers]
    steps = [(s.name, s.kind, s.inputs) for s in net.steps]
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", f"{net!r}\n{forms}\n{steps}").encode())
    for name, tensor in net.state_dict().items():
        digest.update(f"\n{name} {tensor.dtype}\n".encode())
        _add(digest, tensor.detach().cpu().numpy())
    return digest.hexdigest()[:16]


def _add(digest: Any, array: NDArray[Any]) -> None:
    digest.update(f"{array.dtype} {list(array.shape)}\n".encode())
    rows = array.reshape(-1) if array.ndim < 2 else array
    for k in range(0, len(rows), _ROWS):
        digest.update(np.ascontiguousarray(rows[k : k + _ROWS]).data)
