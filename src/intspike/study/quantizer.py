"""A state quantizer as people want to see it: levels, boundaries, and where every code decays to without input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from .. import neuron as equations
from ..errors import BadInput, did_you_mean
from ..ir import Edge
from ..ir import Neuron as Node
from ..measure.codes import decay
from ..neuron.constants import uniform_levels
from ..nn import Neuron
from ..nn.integers import neuron_integers
from ..ops import trace
from ..ops.codec import Stores, Uniform
from ..quant import StateQuantizer, ThresholdCentred, UniformState, form_of
from ..quant.snntorch_compat import SnnTorchState
from ..quant.snntorch_compat import levels as snntorch_levels
from .folder import clear_disk_errors, write_text

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Decay = Literal["guaranteed", "nearest"]
State = StateQuantizer | SnnTorchState


@dataclass(frozen=True)
class CodeTable:
    """What the codes of a state stand for, in units of the threshold, and where they go without input.

    Attributes:
        title: of the quantizer.
        beta: leak per timestep.
        levels: membrane of every code, [K], increasing.
        boundaries: the smallest membrane of every code but the first, [K - 1].
        after: index of the level one timestep later, [K].
        threshold: the membrane from which on a neuron fires.
    """

    title: str
    beta: float
    levels: Reals
    boundaries: Reals
    after: Ints
    threshold: float = 1.0

    @property
    def rests(self) -> NDArray[np.bool_]:
        """Which levels are rest."""
        return np.abs(self.levels) < 1e-9

    @property
    def stuck(self) -> NDArray[np.bool_]:
        """Codes that stay where they are though they are not rest."""
        return (self.after == np.arange(len(self.levels))) & ~self.rests

    def path(self, code: int, steps: int) -> Ints:
        """Codes from one on, [steps + 1]."""
        seen = [code]
        for _ in range(steps):
            seen.append(int(self.after[seen[-1]]))
        return np.array(seen)

    def steps_to_rest(self, code: int) -> int | None:
        """Timesteps until a code is at rest; None where it never is."""
        seen = self.rests[self.path(code, len(self.levels))]
        return int(np.argmax(seen)) if seen.any() else None


def code_table(state: State, beta: float = 0.9) -> CodeTable:
    """Levels, boundaries and decay of a state quantizer under a LIF neuron that resets by subtraction.

    A code stored after reset decays from what the reset left. snnTorch's levels are shown as its own neuron uses them:
    the nearest level, the reset after the leak, `>`.

    Raises:
        BadInput: beta is not in 0..1.
    """
    equation = equations.LIF(beta=beta)
    if isinstance(state, SnnTorchState):
        levels = snntorch_levels(
            state.bits, state.uniform, state.thr_centered, 1.0, state.lower_limit, state.upper_limit
        ).double()
        left = beta * levels - (levels > 1).double()
        after = (left[:, None] - levels[None, :]).abs().argmin(1)
        boundaries = ((levels[1:] + levels[:-1]) / 2).numpy()
        return CodeTable(f"comparison: {_short(state)}", beta, levels.numpy(), boundaries, after.numpy())
    module = Neuron(equation, state)
    module.build(1)
    form, one = form_of(state, None), torch.ones(1, dtype=torch.float64)
    fine = one / 2.0**20  # so that theta has its full resolution
    _, made, origin = neuron_integers("neuron", module, form, fine, 0 * one)
    node = Node("neuron", Edge("input"), trace(equation, form), made)
    codes, after = decay(node)
    unit = origin["unit"][0]
    if "u.levels" in made:
        levels, edges = made["u.levels"][0], made["u.boundaries"][0]
    else:
        assert isinstance(form.codec, Uniform)
        levels, edges = (a[0] for a in uniform_levels(form.codec, made["u.shift"]))
    count = len(levels) if "u.high" not in made else int(made["u.high"][0] - codes[0]) + 1
    return CodeTable(
        _short(state), beta, levels[:count] * unit, edges[: count - 1] * unit, after[:count, 0] - codes[0]
    )


def _short(state: State) -> str:
    """Its constructor with what is not the default."""
    given = ", ".join(
        f"{f.name}={getattr(state, f.name)!r}" for f in fields(state) if getattr(state, f.name) != f.default
    )
    return f"{type(state).__name__}({given})"


NAMES: dict[str, Callable[[int, Stores, Decay], State]] = {
    "threshold-centred": lambda bits, stores, rule: ThresholdCentred(bits, stores, decay=rule),
    "exponential": lambda bits, stores, rule: ThresholdCentred(bits, stores, "exponential", decay=rule),
    "uniform": lambda bits, stores, rule: UniformState(bits, stores=stores, decay=rule),
    "snntorch": lambda bits, stores, rule: SnnTorchState(bits, uniform=False),
    "snntorch-uniform": lambda bits, stores, rule: SnnTorchState(bits),
}


def named(name: str, bits: int, stores: Stores, rule: Decay) -> State:
    """A state quantizer by the name that the command line uses."""
    if name not in NAMES:
        raise BadInput(f"there is no state quantizer {name!r}; {did_you_mean(name, list(NAMES))}")
    if bits > 8:
        raise BadInput(f"a table is shown for 1..8 bits (256 codes), not {bits}")
    return NAMES[name](bits, stores, rule)


def lines(t: CodeTable) -> list[tuple[str, ...]]:
    """One row a code: code, level, its range, next code, timesteps to rest."""
    edges = [-np.inf, *t.boundaries, np.inf]
    rows: list[tuple[str, ...]] = []
    for k, level in enumerate(t.levels):
        steps = t.steps_to_rest(k)
        note = "rest" if t.rests[k] else "stuck" if t.stuck[k] else "never" if steps is None else str(steps)
        low, high = (f"{x:+.4f}" if np.isfinite(x) else "" for x in edges[k : k + 2])
        rows.append((str(k), f"{level:+.4f}", f"{low or '-inf'} .. {high or 'inf'}", str(t.after[k]), note))
    return rows


def figure(t: CodeTable, steps: int = 24) -> Any:
    """Left the staircase from membrane to level, right the decay from every code, as a plotly figure."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    ink, rest, bad, faint = "#27303a", "#2f6fab", "#d1622b", "#8b95a1"
    titles = ("stored level of a membrane", f"without input, beta = {t.beta:g}")
    made = make_subplots(1, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.06)
    low, high = float(t.levels[0]), float(t.levels[-1])
    room = 0.15 * max(high - low, 0.5)
    x = np.repeat([low - room, *t.boundaries, max(high, t.threshold) + room], 2)[1:-1]
    stairs: Any = {"mode": "lines", "line": {"color": rest, "width": 2}, "showlegend": False}
    made.add_scatter(x=x, y=np.repeat(t.levels, 2), row=1, col=1, **stairs)
    exact: Any = {"mode": "lines", "line": {"color": faint, "width": 1, "dash": "dot"}, "showlegend": False}
    made.add_scatter(x=[x[0], x[-1]], y=[x[0], x[-1]], row=1, col=1, **exact)
    left: Any = {"row": 1, "col": 1}
    made.add_vline(x=t.threshold, line={"color": ink, "width": 1, "dash": "dash"}, **left)
    for k in range(len(t.levels)):
        path = t.path(k, steps)
        colour = rest if t.steps_to_rest(k) is not None else bad
        line = go.Scatter(
            x=np.arange(steps + 1), y=t.levels[path], mode="lines+markers", marker={"size": 4, "color": colour},
            line={"color": colour, "width": 1.5}, showlegend=False,
        )  # fmt: skip
        made.add_trace(line, 1, 2)
    made.add_hline(y=t.threshold, line={"color": ink, "width": 1, "dash": "dash"})
    axes: Any = {"zeroline": False, "gridcolor": "#eceff2"}
    made.update_xaxes(title_text="membrane / threshold", row=1, col=1, **axes)
    made.update_xaxes(title_text="timestep", row=1, col=2, **axes)
    made.update_yaxes(title_text="level / threshold", row=1, col=1, **axes)
    never = sum(t.steps_to_rest(k) is None for k in range(len(t.levels)))
    words = f"{never} of {len(t.levels)} codes never reach rest" if never else "every code reaches rest"
    return made.update_layout(
        title={"text": f"{t.title}: {words}", "font": {"size": 14}}, width=980, height=460,
        plot_bgcolor="white", paper_bgcolor="white", font={"color": ink},
    )  # fmt: skip


def write_figure(t: CodeTable, path: Path) -> None:
    """The figure as one HTML file that opens offline."""
    html = figure(t).to_html(include_plotlyjs=True, full_html=True)
    with clear_disk_errors(path, keeps=False):
        write_text(path, html)
