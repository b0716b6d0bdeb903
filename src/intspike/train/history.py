"""What a training tells: an `Epoch` after every epoch, a `Progress` after every batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        epoch: counted from 1.
        loss: mean training loss.
        validation: accuracy on the validation split, 0..1.
        rate: learning rate at its end.
        learned: theta, beta and shift of neurons that learn them, by "layer.name", the mean of a layer's channels.
    """

    epoch: int
    loss: float
    validation: float
    rate: float
    learned: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Progress:
    """What a progress bar shows: batches done of all, and the last finished epoch."""

    done: int
    total: int
    loss: float
    last: Epoch | None


@dataclass(frozen=True)
class Listener:
    """Who is told, and of what; None hears nothing."""

    progress: Callable[[Progress], None] | None = None
    epoch: Callable[[Epoch], None] | None = None


def history_to_dict(history: list[Epoch]) -> list[dict[str, Any]]:
    """Plain data, for JSON."""
    return [asdict(e) for e in history]
