"""What two processes do in the tests of training on several devices."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from halves import DATA, SMALL, network, noisy
from intspike.ir.artifact import content_hash
from intspike.lower import lower
from intspike.nn import Network
from intspike.train import CountCrossEntropy, FiringRegularizer
from intspike.train.devices import Share
from intspike.train.loop import train
from intspike.train.plan import Plan


def plan(**changed: Any) -> Plan:
    made: dict[str, Any] = {
        "data": DATA, "epochs": 3, "rate": 0.01, "test_timesteps": 3, "loss": CountCrossEntropy(), "patience": 20,
        "warmup": 5, "seed": 1, "augment": noisy, "regularizer": None, **SMALL,
    }  # fmt: skip
    return Plan(**made | changed)


def train_all(folder: Path, networks: Mapping[str, Network], fabric: Any) -> None:
    """Train on this process's share, and leave what every process should come to alike in a file of its own."""
    share = Share(fabric.global_rank, fabric.world_size, fabric)
    for name, start in networks.items():
        regularizer = FiringRegularizer(network().eval(), "paired") if "teacher" in name else None
        made = train(plan(regularizer=regularizer), copy.deepcopy(start), share)
        once = train(plan(epochs=1, batch_size=200), copy.deepcopy(start), share)
        program = content_hash(lower(made)) if made.quantized else "none"
        (folder / f"{name} {share.rank} program").write_text(program)
        save_file(made.state_dict(), folder / f"{name} {share.rank}")
        save_file(once.state_dict(), folder / f"{name} {share.rank} once")
    assert share.total(share.rank + 1) == 3
    assert share.gathered(torch.tensor([share.rank])).tolist() == [[0], [1]]


class FailsAt:
    """A loss that fails at its n-th call, in every process."""

    def __init__(self, call: int):
        self.call, self.calls = call, 0

    def __repr__(self) -> str:
        return "a loss"

    def __call__(self, spikes: Tensor, labels: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.call:
            raise RuntimeError("killed")
        return CountCrossEntropy()(spikes, labels)
