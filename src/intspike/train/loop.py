"""The training loop: one batch after another, from whatever state it is in."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from ..errors import BadInput
from ..nn import Network
from ..nn.quantize import norms
from .checkpoint import Keeper
from .devices import Share, Worker
from .evaluate import correct_on
from .fits import value_of
from .history import Epoch, Listener, Progress
from .plan import Plan
from .state import State, begin, draw_order, finished


def train(
    plan: Plan, net: Network, share: Share, keeper: Keeper | None = None, listener: Listener | None = None
) -> Network:
    """Train `net` itself, from the start or from a checkpoint; it ends in evaluation with its best weights."""
    told = listener or Listener()
    state = begin(plan, net)
    with torch.random.fork_rng(devices=()):  # dropout draws from the global generator
        torch.manual_seed(share.seed(plan.seed))
        if keeper is not None:
            keeper.resume(plan, state, share)
        if told.epoch is not None:
            for epoch in state.history:
                told.epoch(epoch)
        with share.worker(net, state.optimizer) as worker:
            net.train()
            while not finished(plan, state):
                if state.step % plan.batches == 0:
                    net.train()
                    state.summed = 0.0
                    draw_order(plan, state)
                _learn(plan, state, share, worker)
                if told.progress is not None:
                    told.progress(_progress(plan, state))
                if state.step % plan.batches == 0:
                    state.history.append(_validate(plan, state, share))
                    if told.epoch is not None:
                        told.epoch(state.history[-1])
                if keeper is not None:
                    keeper.keep(plan, state, share)
    if plan.epochs:
        net.load_state_dict(state.best)
    return net.eval()


def _learn(plan: Plan, state: State, share: Share, worker: Worker) -> None:
    """One batch: its gradients, and a step of the optimizer."""
    if plan.freezes(state.step):
        for n in norms(state.net):
            n.eval()
    at = state.step % plan.batches * plan.batch_size
    x, labels = share.part(*plan.batch(state.step, state.drawn[1][at : at + plan.batch_size]))
    value = _value(plan, share, worker, x, labels)
    value_now = share.mean(float(value.detach()))
    if not math.isfinite(value_now):
        raise BadInput(
            f"the loss must stay finite, but is {value_now} in epoch {state.step // plan.batches + 1}; lower the "
            f"learning rate ({plan.rate:g})"
        )
    state.optimizer.zero_grad(set_to_none=True)
    worker.backward(value)
    for group in state.optimizer.param_groups:
        group["lr"] = plan.rate_at(state.step)
    state.optimizer.step()
    state.step += 1
    state.summed += value_now


def _value(plan: Plan, share: Share, worker: Worker, x: Tensor, labels: Tensor) -> Tensor:
    """What is made small."""
    if plan.regularizer is None:
        return value_of(plan.loss, worker.net(x), labels)
    spikes, rates = worker.net.forward_with_rates(x)
    taught = plan.regularizer.taught(x)
    return value_of(plan.loss, spikes, labels) + plan.regularizer(share.means(rates), share.means(taught))


def _progress(plan: Plan, state: State) -> Progress:
    done = (state.step - 1) % plan.batches + 1  # of this epoch
    last = state.history[-1] if state.history else None
    return Progress(state.step, plan.total, state.summed / done, last)


def _validate(plan: Plan, state: State, share: Share) -> Epoch:
    """The end of an epoch: of equals in validation the later is kept, because it trained longer."""
    split = plan.data.validation
    correct = share.total(correct_on(state.net, share.samples(split), timesteps=plan.test_timesteps))
    accuracy = correct / max(1, len(split))
    state.waited = 0 if accuracy > state.best_accuracy or not len(split) else state.waited + 1
    if accuracy >= state.best_accuracy or not len(split):
        state.best, state.best_accuracy = copy.deepcopy(state.net.state_dict()), accuracy
    rate = plan.rate_at(state.step)
    return Epoch(state.step // plan.batches, state.summed / plan.batches, accuracy, rate, _learned(state.net))


def _learned(net: Network) -> dict[str, float]:
    """What neurons learn of themselves, the mean over a layer's channels."""
    return {
        f"{g.name}.{name}": float(p.detach().double().mean())
        for g in net.layers
        for name, p in g.neuron.named_parameters(recurse=False)
        if name in ("theta", "beta", "shift")
    }
