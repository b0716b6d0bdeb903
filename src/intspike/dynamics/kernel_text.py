"""The C of single states: one neuron rendered from its body in a lane, and the loops that are not generated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..ops import Body, Instruction
from ..ops.c import helpers, render
from ..ops.interpret import live


def source(body: Body, bounds: Any, lane: str, folded: dict[str, int]) -> str:
    """The C of a network: a neuron's timestep on integers in a lane, and the loops around it."""
    codec = body.codec("u")
    order = [k for k in live(body, body.stores[0]) if k in bounds]

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

    lines = "\n    ".join(render(body, order, bounds, {}, leaf, str, {}))
    # a shift whose width is a parameter is folded too, but `encode` asks for it by its own name
    text = f"""{helpers()}
static inline lane next_code(lane code, lane fired, lane current, lane theta, lane reset)
{{
    (void)fired, (void)current, (void)theta, (void)reset;
    {lines}
    return (lane)v{body.stores[0]};
}}
"""
    # the compilers that are used here shift negative numbers arithmetically, and vectorize nothing else
    text = re.sub(r"return x >= 0 \? (.*) : .*;", r"return \1;", text)
    if lane != "int64_t":  # the proof says that nothing is wider than a lane
        text = re.sub(r"\bint32_t\b", "lane", text)
        text = re.sub(r"\buint32_t\b", f"u{lane}", text)
    head = f"""
typedef {lane} lane;
#define LANE_BITS {lane.removeprefix("int").removesuffix("_t")}
#define LOW ({codec.low})
#define BITS {codec.bits}
"""
    return loops("vectors.c") + head + text + loops("step.c") + loops("walk.c")


def loops(name: str) -> str:
    """C that is not generated."""
    return Path(__file__).with_name(name).read_text("utf-8")
