"""Starting a training on several devices, and hearing of it."""

from __future__ import annotations

import copy
import multiprocessing
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from numpy.typing import NDArray

from ..errors import BadInput, IntspikeError, MissingDependency
from ..nn import Network
from .checkpoint import Keeper
from .devices import Share
from .history import Epoch, Listener, Progress
from .loop import train
from .plan import Plan

PRECISIONS = ("32-true", "bf16-mixed")


def launch(
    plan: Plan, net: Network, keeper: Keeper | None, listener: Listener, devices: int, precision: str
) -> Network:
    """Train `net` on so many processes of this machine's CPU, each with its part of every batch.

    Raises:
        BadInput: devices that do not divide the batch, an unknown precision, or what cannot be sent to a process.
        MissingDependency: Lightning Fabric is not installed.
    """
    if precision not in PRECISIONS:
        raise BadInput(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if not isinstance(devices, int) or devices < 1:
        raise BadInput(f"devices must be a number of processes, at least 1, not {devices!r}")
    if plan.batch_size % devices:
        raise BadInput(
            f"a batch must divide evenly over devices, but {plan.batch_size} samples do not over {devices}; choose "
            "another batch_size"
        )
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy
    except ImportError as e:
        raise MissingDependency(
            "training on several devices, or in another precision, needs Lightning Fabric, which is not installed; "
            "run: pip install 'intspike[devices]'"
        ) from e
    kind: Any = precision
    if devices == 1:
        return train(
            plan, net, Share(fabric=Fabric(accelerator="cpu", devices=1, precision=kind)), keeper, listener
        )
    _check_sendable(plan, net)
    strategy = DDPStrategy(start_method="spawn", forward_sync_buffers=False)  # they are equal already
    fabric = Fabric(accelerator="cpu", devices=devices, precision=kind, strategy=strategy)
    with _heard(listener) as (heard, pipe), _own_port():
        fabric.launch(partial(_work, _Job(plan, net, keeper, pipe, listener.progress is not None)))
    net.load_state_dict({name: torch.from_numpy(a) for name, a in heard.weights.items()})
    net.input_shape = plan.data.frame
    return net.eval()


@dataclass(frozen=True)
class _Job:
    """What is sent to a process; progress says whether somebody wants it."""

    plan: Plan
    net: Network
    keeper: Keeper | None
    pipe: Connection
    progress: bool


def _work(job: _Job, fabric: Any) -> None:
    """One process."""
    net = copy.deepcopy(job.net)  # tensors that were sent are shared between the processes
    share = Share(fabric.global_rank, fabric.world_size, fabric)
    listener = Listener()
    if share.rank == 0:
        listener = Listener(job.pipe.send if job.progress else None, job.pipe.send)
    try:
        train(job.plan, net, share, job.keeper, listener)
    except IntspikeError as e:
        job.pipe.send(e)  # short enough not to mix with another process's
        raise
    if share.rank == 0:
        job.pipe.send({name: t.numpy() for name, t in net.state_dict().items()})


def _check_sendable(plan: Plan, net: Network) -> None:
    parts = {"net": net, "loss": plan.loss, "augment": plan.augment, "regularizer": plan.regularizer}
    for name, value in parts.items():
        try:
            ForkingPickler.dumps(value)
        except Exception as e:  # whatever an object raises that cannot be sent
            raise BadInput(
                f"on several devices {name} must be something that can be sent to another process, but {e}; use "
                "functions and classes of a module, not lambdas"
            ) from e


@dataclass
class _Heard:
    """What came through the pipe."""

    weights: dict[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])
    error: BaseException | None = None

    def take(self, message: Any, listener: Listener) -> None:
        if isinstance(message, BaseException):
            self.error = self.error or message
        elif isinstance(message, Progress) and listener.progress is not None:
            listener.progress(message)
        elif isinstance(message, Epoch) and listener.epoch is not None:
            listener.epoch(message)
        elif isinstance(message, dict):
            self.weights = message


@contextmanager
def _heard(listener: Listener) -> Generator[tuple[_Heard, Connection]]:
    """A pipe whose messages are heard as they come; an error that was sent is raised in the end."""
    here, there = multiprocessing.get_context("spawn").Pipe(duplex=False)
    heard = _Heard()

    def hear() -> None:
        while True:
            try:
                heard.take(here.recv(), listener)
            except EOFError:
                return
            except BaseException as e:  # of a listener: raised where the training was called
                heard.error = heard.error or e

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    try:
        yield heard, there
    finally:
        there.close()
        thread.join()
        here.close()
        if heard.error is not None:
            raise heard.error from None


@contextmanager
def _own_port() -> Generator[None]:
    """Fabric leaves its port in the environment, and the next training would wait for it."""
    known = "MASTER_PORT" in os.environ
    try:
        yield
    finally:
        if not known:
            os.environ.pop("MASTER_PORT", None)
