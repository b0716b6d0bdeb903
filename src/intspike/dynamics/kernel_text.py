"""The C of compiled timesteps: one neuron rendered from its body, and the loops that are not generated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..ops import Body
from ..ops.body import Instruction
from ..ops.c import helpers, render
from ..ops.interpret import live


def source(body: Body, bounds: Any, lane: str, folded: dict[str, int]) -> str:
    """The C of a network: a neuron's timestep in one lane, and the loops around it."""

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

    codec = body.codec("u")
    order = [k for k in live(body, body.stores[0]) if k in bounds]
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
    head = f"""\
#if defined(__AVX512BW__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512") /* these loops are arithmetic alone: the widest vectors are fastest */
#endif
#include <stdint.h>
typedef {lane} lane;
#define LANE_BITS {lane.removeprefix("int").removesuffix("_t")}
#define LOW ({codec.low})
#define BITS {codec.bits}
"""
    return head + text + loops("step.c") + loops("walk.c")


def loops(name: str) -> str:
    """C that is not generated."""
    return Path(__file__).with_name(name).read_text("utf-8")
