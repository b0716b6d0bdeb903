"""The C of compiled timesteps: one neuron rendered from its body, twice, and the loops that are not generated.

For one state a neuron is integers in lanes, for many it is bit planes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..ops import Body, Instruction
from ..ops.c import helpers, render
from ..ops.interpret import live
from ..ops.planes import ZERO, Logic, Number, constant, width_of
from ..ops.planes import render as render_planes


def source(body: Body, bounds: Any, lane: str, folded: dict[str, int]) -> str:
    """The C of a network: a neuron's timestep in a lane and in planes, and the loops around them."""
    codec = body.codec("u")
    order = [k for k in live(body, body.stores[0]) if k in bounds]
    head = f"""\
#if defined(__AVX512BW__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512") /* these loops are arithmetic alone: the widest vectors are fastest */
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef {lane} lane;
#define LANE_BITS {lane.removeprefix("int").removesuffix("_t")}
#define LOW ({codec.low})
#define BITS {codec.bits}
"""
    neuron = _lane(body, order, bounds, lane, folded) + _planes(body, order, bounds, folded)
    return head + loops("network.c") + neuron + loops("planes.c") + loops("step.c") + loops("walk.c")


def _lane(body: Body, order: list[int], bounds: Any, lane: str, folded: dict[str, int]) -> str:
    """`next_code`: a neuron's timestep on integers."""

    def leaf(i: Instruction) -> str:
        match i.op:
            case "current":
                return "current"
            case "state":
                return "code"
            case "prev":
                return "fired"
            case "parameter":
                return str(folded[i.name]) if i.name in folded else i.name
            case _:
                return str(int(i.immediate))

    text = "\n    ".join(render(body, order, bounds, {}, leaf, str, {}))
    # a shift whose width is a parameter is folded too, but `encode` asks for it by its own name
    text = f"""{helpers()}
static inline lane next_code(lane code, lane fired, lane current, lane theta, lane reset)
{{
    (void)fired, (void)current, (void)theta, (void)reset;
    {text}
    return (lane)v{body.stores[0]};
}}
"""
    # the compilers that are used here shift negative numbers arithmetically, and vectorize nothing else
    text = re.sub(r"return x >= 0 \? (.*) : .*;", r"return \1;", text)
    if lane != "int64_t":  # the proof says that nothing is wider than a lane
        text = re.sub(r"\bint32_t\b", "lane", text)
        text = re.sub(r"\buint32_t\b", f"u{lane}", text)
    return text


def _planes(body: Body, order: list[int], bounds: Any, folded: dict[str, int]) -> str:
    """`fires` and `next_planes`: the same on bit planes."""
    codec, logic = body.codec("u"), Logic()
    threshold = width_of(0, codec.high + 1) - 1  # without its sign
    code: Number = tuple(logic.named(f"code[{k}]") for k in range(codec.bits))
    code = code if codec.low < 0 else (*code, ZERO)
    received = next(bounds[k] for k, i in enumerate(body.instructions) if i.op == "current")
    widest = width_of(int(received[0].min()), int(received[1].max()))
    widest += widest % 2  # fewer texts serve all networks
    current: Number = tuple(logic.named(f"current[{k}]") for k in range(widest))

    def leaf(i: Instruction) -> Number:
        match i.op:
            case "current":
                return current
            case "state":
                return code
            case "prev":
                return (logic.named("fired"), ZERO)
            case "parameter" if i.name not in folded:
                return (*(logic.named(f"ALL_ZEROS + {i.name}[{k}]") for k in range(threshold)), ZERO)
            case _:
                return constant(folded[i.name] if i.op == "parameter" else int(i.immediate))

    made = render_planes(logic, body, order, bounds, leaf)[body.stores[0]]
    theta = leaf(Instruction("parameter", name="theta"))
    reached, (fired,) = logic.c([logic.at_least(code, theta)])
    then = logic.at_least(made, theta)
    lines, (fires, *codes) = logic.c([then, *made[: codec.bits]])
    lines += [f"code[{k}] = {text};" for k, text in enumerate(codes)]
    # what wraps needs no more planes of its current than a code has; a current that is constant needs none
    text = "\n".join(lines)
    needed = 1 + max((k for k in range(widest) if f"current[{k}];" in text), default=0)
    inner = "\n    "
    return f"""
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

"""


def loops(name: str) -> str:
    """C that is not generated."""
    return Path(__file__).with_name(name).read_text("utf-8")
