"""The C of many states at once: one neuron as a circuit of bit planes, and the loops that are not generated."""

from __future__ import annotations

from ..ops import Body, Instruction
from ..ops.c import Bounds
from ..ops.interpret import live
from ..ops.planes import ZERO, Logic, Number, constant, render, width_of
from .kernel_text import loops


def source(body: Body, bounds: Bounds, current: int, folded: dict[str, int]) -> str:
    """The C of a network: a neuron's timestep in planes, and the loops around it.

    Args:
        bounds: proved bounds of the body's instructions.
        current: planes of what a neuron receives.
        folded: parameters that all neurons share.
    """
    codec, logic = body.codec("u"), Logic()
    threshold = width_of(0, codec.high + 1) - 1  # without its sign
    code: Number = tuple(logic.named(f"code[{k}]") for k in range(codec.bits))
    code = code if codec.low < 0 else (*code, ZERO)
    received: Number = tuple(logic.named(f"current[{k}]") for k in range(current))

    def leaf(i: Instruction) -> Number:
        match i.op:
            case "current":
                return received
            case "state":
                return code
            case "prev":
                return (logic.named("fired"), ZERO)
            case "parameter" if i.name not in folded:
                return (*(logic.named(f"ALL_ZEROS + {i.name}[{k}]") for k in range(threshold)), ZERO)
            case _:
                return constant(folded[i.name] if i.op == "parameter" else int(i.immediate))

    order = [k for k in live(body, body.stores[0]) if k in bounds]
    made = render(logic, body, order, bounds, leaf)[body.stores[0]]
    theta = leaf(Instruction("parameter", name="theta"))
    reached, (fired,) = logic.c([logic.at_least(code, theta)])
    then = logic.at_least(made, theta)
    lines, (fires, *codes) = logic.c([then, *made[: codec.bits]])
    lines += [f"code[{k}] = {text};" for k, text in enumerate(codes)]
    # what wraps needs no more planes of its current than a code has; a current that is constant needs none
    text = "\n".join(lines)
    needed = 1 + max((k for k in range(current) if f"current[{k}];" in text), default=0)
    inner = "\n    "
    return f"""{loops("vectors.c")}
{loops("gates.c")}
#define LOW ({codec.low})
#define BITS {codec.bits}
#define THETA {threshold}
#define CURRENT {needed}

static inline plane fires(const plane *code, const uint64_t *theta)
{{
    {inner.join(reached)}
    return {fired};
}}

static inline plane next_planes(
    plane *code, plane fired, const plane *current, const uint64_t *theta, const uint64_t *reset)
{{
    (void)fired, (void)theta, (void)reset;
    {inner.join(lines)}
    return {fires};
}}

{loops("planes.c")}"""
