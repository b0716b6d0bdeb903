"""Exact questions about orbits, answered by a solver: a witness that is replayed, a proof of absence, or neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import BadInput, Divergence, MissingDependency
from .network import IntegerNetwork, Ints

Status = Literal["found", "absent", "unknown"]


@dataclass(frozen=True, eq=False)
class Found:
    """The answer of `find_orbit`.

    Attributes:
        status: "found", "absent" (proved: no such orbit exists) or "unknown" within the time given.
        period: what was asked for.
        state: where the orbit found begins, at phase 0 of the drive, [N]; None where there is none.
    """

    status: Status
    period: int
    state: Ints | None = None


def find_orbit(network: IntegerNetwork, period: int, *, seconds: float = 30.0, seed: int = 0) -> Found:
    """Is there a state that recurs after `period` timesteps and some neuron fires on the way?

    A shorter orbit whose period divides this one counts too.

    Args:
        period: a multiple of the drive's.
        seconds: after which the answer is "unknown".
        seed: of the solver, which runs in one thread: the same question has the same answer.

    Raises:
        MissingDependency: ortools is not installed.
        BadInput: a period or time that cannot be.

    Source: CP-SAT of OR-tools. A timestep of a neuron is u = max(low, min(high, r - (r >> k) + W s + d)), or that
    modulo 2^bits, with r = u after its reset and r = 2^k (r >> k) + rest, 0 <= rest < 2^k.
    """
    if not isinstance(period, int) or period < 1 or period % network.phases:
        raise BadInput(
            f"a period must be a positive multiple of the drive's {network.phases}, not {period!r}"
        )
    if not seconds > 0:
        raise BadInput(f"seconds must be positive, not {seconds!r}")
    try:
        from ortools.sat.python import cp_model  # type: ignore[import-untyped]
    except ImportError as e:
        raise MissingDependency(
            "exact queries need ortools, which is not installed; run: pip install 'intspike[exact]'"
        ) from e
    model = cp_model.CpModel()
    n = network.neurons
    u = [[model.new_int_var(network.low, network.high, f"u{t}_{i}") for i in range(n)] for t in range(period)]
    s = [[model.new_bool_var(f"s{t}_{i}") for i in range(n)] for t in range(period)]
    for t in range(period):
        for i in range(n):
            theta = int(network.threshold[i])
            model.add(u[t][i] >= theta).only_enforce_if(s[t][i])
            model.add(u[t][i] < theta).only_enforce_if(s[t][i].negated())
            sent = sum(int(w) * s[t][j] for j, w in enumerate(network.weights[i]) if w)
            after = (
                _left(model, network, u[t][i], s[t][i], theta)
                + sent
                + int(network.drive[t % network.phases][i])
            )
            _store(model, network, u[(t + 1) % period][i], after, i)
    model.add_bool_or([x for row in s for x in row])
    solver: Any = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Found("absent", period)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Found("unknown", period)
    state = np.array([solver.value(x) for x in u[0]], np.int64)
    _replay(network, state, period)
    return Found("found", period, state)


def _left(model: Any, network: IntegerNetwork, u: Any, s: Any, theta: int) -> Any:
    """What a neuron keeps of u after its reset and its leak."""
    low = network.low - (theta if network.reset == "subtract" else 0)
    r: Any = u
    if network.reset == "subtract":
        r = u - theta * s
    elif network.reset == "zero":
        r = model.new_int_var(network.low, network.high, "")
        model.add(r == 0).only_enforce_if(s)
        model.add(r == u).only_enforce_if(s.negated())
    if network.leak is None:
        return r
    shifted = model.new_int_var(low >> network.leak, network.high >> network.leak, "")
    model.add(r - (1 << network.leak) * shifted >= 0)
    model.add(r - (1 << network.leak) * shifted < 1 << network.leak)
    return r - shifted


def _store(model: Any, network: IntegerNetwork, u: Any, after: Any, i: int) -> None:
    """u holds `after` in its codes."""
    most = int(np.abs(network.weights[i]).sum() + np.abs(network.drive[:, i]).max()) + (3 << network.bits)
    most += int(network.threshold[i])
    if network.overflow == "wrap":
        turns = model.new_int_var(-(most >> network.bits) - 1, (most >> network.bits) + 1, "")
        model.add(u == after - (1 << network.bits) * turns)
        return
    capped = model.new_int_var(-most, network.high, "")
    model.add_min_equality(capped, [after, network.high])
    model.add_max_equality(u, [capped, network.low])


def _replay(network: IntegerNetwork, state: Ints, period: int) -> None:
    """Raise unless a witness is one: the solver is not trusted."""
    last = network.run(state, period).states[-1]
    fires = network.spikes(state).any() or network.run(state, period).spikes.any()
    for i in range(network.neurons):
        if last[i] != state[i] or not fires:
            raise Divergence(
                timestep=period, layer="network", neuron=(i,), sample=0, quantity="u", expected=int(state[i]),
                got=int(last[i]), names=("solver", "network"), compared=network.neurons,
            )  # fmt: skip
