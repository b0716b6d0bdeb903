"""Parts of torch's own that models of other tools are made of, and what is said about them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ..errors import NotImportable
from .imported import Choice, Refusal

SYNAPSES = (torch.nn.Linear, torch.nn.Conv2d)
POOLS = (torch.nn.MaxPool2d, torch.nn.AvgPool2d)
NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
KNOWN: tuple[type[torch.nn.Module], ...] = (
    *SYNAPSES, *POOLS, *NORMS, torch.nn.Flatten, torch.nn.Dropout, torch.nn.Identity
)  # fmt: skip


_TOOLS = {"snntorch": "from_snntorch", "spikingjelly": "from_spikingjelly", "norse": "from_norse"}


def chain(
    net: Any, tool: str, is_neuron: Callable[[torch.nn.Module], bool]
) -> list[tuple[str, torch.nn.Module]]:
    """The parts of a model that runs them one after the other, with their names.

    Args:
        net: a Sequential, of Sequentials too, or a list of modules.
        tool: the function's name, for errors.
        is_neuron: whether a part is a layer of neurons of the tool.

    Raises:
        NotImportable: a model with a forward of its own, which may do anything; the way out names its parts.
    """
    if isinstance(net, torch.nn.Sequential):
        found = list(_flat(net.named_children()))
    elif isinstance(net, (list, tuple)):
        given: Sequence[Any] = net
        bad = [type(m).__name__ for m in given if not isinstance(m, torch.nn.Module)]
        if bad:
            raise NotImportable(f"{tool} must be given torch modules, not {bad[0]}")
        found = list(_flat((f"{type(m).__name__.lower()}_{k}", m) for k, m in enumerate(given)))
    elif isinstance(net, torch.nn.Module) and is_neuron(net):
        found = [("neuron", net)]
    elif isinstance(net, torch.nn.Module):
        names = ", ".join(f"net.{name}" for name, _ in net.named_children())
        raise NotImportable(
            f"{tool} must be given parts that run one after the other, but {type(net).__name__} has a forward of its "
            f"own, which may loop over time in any way; list its parts in the order of a timestep, pools and "
            f"flattens included: {tool}([{names}])"
        )
    else:
        raise NotImportable(
            f"{tool} must be given a Sequential or a list of modules, not {type(net).__name__}; of a stored "
            "network, build it and load its parameters first"
        )
    if not any(is_neuron(m) for _, m in found):
        others = [t for package, t in _TOOLS.items() if any(_package(m) == package for _, m in found)]
        repair = f"; its neurons are read by {others[0]}" if others else ""
        raise NotImportable(f"{tool} must be given at least one layer of neurons, but there is none{repair}")
    return found


def _package(m: torch.nn.Module) -> str:
    return type(m).__module__.partition(".")[0]


def _flat(named: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, m in named:
        if isinstance(m, torch.nn.Sequential):
            yield from ((f"{name}_{below}", x) for below, x in _flat(m.named_children()))
        else:
            yield name, m


def plain(name: str, m: torch.nn.Module) -> tuple[torch.nn.Module, list[Choice], list[Refusal]]:
    """A copy of a part that is torch's own, what is said about it, and why it is refused."""
    if type(m) not in KNOWN:
        known = ", ".join(k.__name__ for k in KNOWN)
        reason = f"{type(m).__name__} is none of {known}; replace it, or take it out of what is imported"
        if isinstance(m, KNOWN):
            reason = (
                f"{type(m).__name__} may compute another thing than {type(m).__mro__[1].__name__}; give the plain "
                "module with the weights that it computes with"
            )
        return m, [], [Refusal(name, reason)]
    choices: list[Choice] = []
    if isinstance(m, NORMS):
        choices.append(
            Choice(name, "norm", "statistics of one timestep", "statistics of all timesteps", "training")
        )
    if isinstance(m, torch.nn.Dropout):
        choices.append(Choice(name, "dropout", "a mask each timestep", "one mask a sample", "training"))
    made = copy.deepcopy(m)
    kind = torch.get_default_dtype()
    if any(p.dtype != kind for p in made.parameters()):
        choices.append(Choice(name, "numbers", str(next(made.parameters()).dtype), str(kind), "rounding"))
        made = made.to(kind)
    return made, choices, []
