"""Peak memory growth of the training step of `train_fmnist`, each contender in a process of its own.

Three steps, after one on two images that loads all code.
"""

from __future__ import annotations

from collections.abc import Callable

from intspike import encode

from . import catalog, plain, steps, train_fmnist
from .harness import Result, Tell, Times
from .memory import apart

STEPS = 3


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    ours: list[tuple[float, str]] = []
    theirs: list[tuple[float, str]] = []
    for k in range(rounds):
        ours.append(apart("memory_fmnist", "intspike"))
        theirs.append(apart("memory_fmnist", catalog.SNNTORCH))
        tell("process", k + 1, rounds)
    equal = {loss for _, loss in ours} == {plain.fingerprint("train_fmnist", "train-fmnist")}
    compared = "loss of the first step == plain torch loops"
    return [
        Result(
            catalog.SNNTORCH, Times.of(m for m, _ in ours), Times.of(m for m, _ in theirs), equal, compared
        )
    ]


def prepared(contender: str) -> Callable[[], str]:
    """Three training steps of a contender, ready to run; they return the loss of the first."""
    for few in (True, False):  # a network of its own loads all code on two images
        net = train_fmnist.network("train-fmnist")
        images, labels = (x[:2] if few else x for x in train_fmnist.batch())
        if contender == "intspike":
            step = steps.step(net, steps.ours(net), encode.direct(images, train_fmnist.TIMESTEPS), labels)
        else:
            other = train_fmnist.peer_networks("train-fmnist", net)[contender]
            step = steps.step(
                other, other, encode.direct(images.float() / 255, train_fmnist.TIMESTEPS), labels
            )
        if few:
            step()

    def run() -> str:
        losses = [step() for _ in range(STEPS)]
        return losses[0].hex()

    return run
