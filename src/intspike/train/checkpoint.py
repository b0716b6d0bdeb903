"""Checkpoints of a training, from which it goes on as if it had never stopped.

One safetensors file: tensors, and everything else as JSON in its header; it is written whole or not at all. A training
that was killed and goes on ends in the same weights, bit for bit, on one machine with one number of threads.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..errors import BadData, BadInput
from ..files import write_atomic
from .devices import Share
from .fingerprint import differing, quantizers
from .history import Epoch
from .plan import Plan
from .state import State, draw_order, finished

_KEY = "intspike training"
_VERSION = 1
OTHER = "is a checkpoint of a training with other arguments"
_NUMBERS: Mapping[str, type] = {"step": int, "summed": float, "best_accuracy": float, "waited": int}
_EPOCH: Mapping[str, type] = {
    "epoch": int,
    "loss": float,
    "validation": float,
    "rate": float,
    "learned": dict,
}


@dataclass
class Keeper:
    """Writes checkpoints, and reads the one that is there.

    Attributes:
        path: of the file.
        every: batches, or time, after which it is written; None: after every epoch. At the end it is always written.
        arguments: of the training, as text: what must be equal to go on.
    """

    path: Path
    every: int | timedelta | None
    arguments: Mapping[str, str]
    _written: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        match self.every:
            case None:
                return
            case timedelta():
                enough = self.every > timedelta()
            case bool():
                enough = False
            case int():
                enough = self.every >= 1
            case _:
                enough = False
        if not enough:
            raise BadInput(
                "checkpoint_every must be a number of batches, at least 1, or a datetime.timedelta above zero, not "
                f"{self.every!r}"
            )

    def keep(self, plan: Plan, state: State, share: Share) -> None:
        """Write a checkpoint where one is due."""
        if not (finished(plan, state) or self._due(plan, state, share)):
            return
        dropout = share.gathered(torch.get_rng_state())
        if share.rank == 0:
            write(self.path, state, dropout, self.arguments)
        self._written = time.monotonic()

    def _due(self, plan: Plan, state: State, share: Share) -> bool:
        if self.every is None:
            return state.step % plan.batches == 0
        if isinstance(self.every, int):
            return state.step % self.every == 0
        late = time.monotonic() - self._written >= self.every.total_seconds()
        return share.total(int(late and share.rank == 0)) > 0  # one clock for all

    def resume(self, plan: Plan, state: State, share: Share) -> None:
        """Bring a state, and torch's global generator, to where the checkpoint was written; without one, do nothing.

        Raises:
            BadData: the file is not a checkpoint, or is damaged.
            BadInput: it is of a training with other arguments.
        """
        if not self.path.exists():
            return
        record, tensors = read(self.path)
        changed = differing(record["arguments"], self.arguments)
        if changed:
            raise BadInput(f"{self.path} {OTHER} ({changed}); give the same ones, or another checkpoint")
        try:
            _restore(plan, state, record, tensors)
            mine = tensors["dropout"][
                share.rank
            ].clone()  # torch reads a view of a larger tensor at a wrong address
            torch.set_rng_state(mine)
        except (KeyError, ValueError, IndexError, RuntimeError, TypeError) as e:
            raise _damaged(self.path, f"its content does not fit this network ({e})") from e


# --- the file -------------------------------------------------------------------------------------------


def write(path: Path, state: State, dropout: Tensor, arguments: Mapping[str, str]) -> None:
    """Write a state; `dropout` holds torch's global generators [processes, bytes]."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    made = {"dropout": dropout, "order": state.drawn[0]}
    made |= {f"net.{name}": t for name, t in state.net.state_dict().items()}
    made |= {f"best.{name}": t for name, t in state.best.items()}
    for name, p in state.net.named_parameters():
        made |= {f"adam.{key}.{name}": t for key, t in state.optimizer.state.get(p, {}).items()}
    tensors = {name: t.detach().clone().contiguous() for name, t in made.items()}
    record = {name: getattr(state, name) for name in _NUMBERS}
    record |= {
        "version": _VERSION,
        "arguments": dict(arguments),
        "history": [asdict(e) for e in state.history],
        "quantizers": quantizers(state.net),
    }
    text = json.dumps(record, allow_nan=False)
    header = {_KEY: text, "sum": _sum(text, tensors)}
    try:
        write_atomic(path, lambda p: save_file(tensors, p, header))
    except (OSError, SafetensorError) as e:
        raise BadInput(
            f"the checkpoint {path} must be a file that can be written, but: {e}; free space or choose another path "
            "(what was there is unchanged)"
        ) from e


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The record and the tensors of a checkpoint.

    Raises:
        BadData: it is truncated, altered, no checkpoint, or of another version.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as e:  # safetensors raises its own type for damage
        raise _damaged(path, f"cannot be read ({e})") from e
    text = header.get(_KEY)
    if text is None:
        raise _damaged(path, "is another kind of file")
    if header.get("sum") != _sum(text, tensors):
        raise _damaged(path, "was altered")
    record = json.loads(text)
    if record.get("version") != _VERSION:
        raise _damaged(
            path, f"has format version {record.get('version')}, and this intspike reads {_VERSION}"
        )
    return record, tensors


def said(path: Path) -> Mapping[str, Any]:
    """What a file says of the training that wrote it; nothing where it is of none.

    Raises:
        BadData: it cannot be read.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            record: object = json.loads((file.metadata() or {}).get(_KEY, "{}"))
    except Exception as e:  # safetensors raises its own type for damage
        raise _damaged(path, f"cannot be read ({e})") from e
    return cast("Mapping[str, Any]", record) if isinstance(record, dict) else {}


def _damaged(path: Path, why: str) -> BadData:
    return BadData(f"{path} must be a checkpoint of a training, but {why}; delete it to start again")


def _sum(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a record and of tensors: their names, types, shapes and bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"\n{name} {t.dtype} {list(t.shape)}\n".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


# --- the state ------------------------------------------------------------------------------------------


def _restore(plan: Plan, state: State, record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    for name, kind in _NUMBERS.items():
        setattr(state, name, kind(record[name]))
    state.history = [
        # older files have nothing that was learned
        Epoch(**{k: kind(e[k]) for k, kind in _EPOCH.items() if k in e or k != "learned"})
        for e in record["history"]
    ]
    state.net.load_state_dict(_below("net.", tensors))
    state.best = _below("best.", tensors)
    for name, p in state.net.named_parameters():
        if f"adam.step.{name}" in tensors:
            kept = {k: tensors[f"adam.{k}.{name}"] for k in ("step", "exp_avg", "exp_avg_sq")}
            state.optimizer.state[p] = kept
    state.order.set_state(tensors["order"])
    draw_order(plan, state)  # of the last epoch that began, again
    state.net.input_shape = plan.data.frame


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
