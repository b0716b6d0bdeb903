"""C text of the nodes that no kernel covers: plain loops over frames and samples, see `layers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Conv, Dense, Fold, Integrator, Join, Node, Offset, Pool, Program, Readout, Unfold
from .layers import Buffer, Constants, Layer


def plain_layer(
    n: Node, y: Buffer, sources: Sequence[Buffer], program: Program, constants: Constants
) -> Layer:
    """A node as loops over frames and samples."""
    t = f"(t / {y.substeps})" if isinstance(n, Unfold) else "t"
    if isinstance(n, Fold):
        t = f"(t * {sources[0].substeps})"
    pointers = [
        f"const {x.kind} *x{j} = {x.at(t)} + s * {x.size};" if not y.static else
        f"const {x.kind} *x{j} = y{x.number} + (t * m + s) * {x.size};"
        for j, x in enumerate(sources)
    ]  # fmt: skip
    inner = [
        *pointers,
        f"{y.kind} *y = y{y.number} + (t * m + s) * {y.size};",
        *_plain(n, y, sources, program, constants),
    ]
    lines = [
        f"for (int64_t t = 0; t < {y.frames}; t++)",
        "for (int64_t s = 0; s < m; s++) {",
        *("    " + line for line in inner),
        "}",
    ]
    return Layer("", lines)


def _plain(
    n: Node, y: Buffer, sources: Sequence[Buffer], program: Program, constants: Constants
) -> list[str]:
    x = sources[0]
    match n:
        case Join():
            if n.kind == "add":
                shifts = n.shifts or (0,) * len(n.sources)
                text = " + ".join(f"(int64_t)x{j}[o] * {1 << b}" for j, b in enumerate(shifts))
            else:
                text = f"(x0[o] {'>' if n.kind == 'and' else '<='} 0) & (x1[o] > 0)"
            return [f"for (int o = 0; o < {y.size}; o++)", f"    y[o] = ({y.kind})({text});"]
        case Offset():
            offset = n.offset.reshape(x.channels, x.positions).T  # the channel last
            return [
                f"const int64_t *offset = {constants.add(offset)};",
                f"for (int o = 0; o < {y.size}; o++)",
                f"    y[o] = ({y.kind})(x0[o] + offset[o]);",
            ]
        case Unfold():
            text = f"({y.kind})(x0[o] > t % {y.substeps})"
            return [f"for (int o = 0; o < {y.size}; o++)", f"    y[o] = {text};"]
        case Fold():
            return [
                f"memset(y, 0, {y.size} * sizeof *y);",
                f"for (int d = 0; d < {x.substeps}; d++)",
                f"    for (int o = 0; o < {y.size}; o++)",
                f"        y[o] = ({y.kind})(y[o] + x0[d * m * {x.size} + o]);",
            ]
        case Integrator():
            last = f"(t ? y[o - m * {y.size}] : 0)"
            return [f"for (int o = 0; o < {y.size}; o++)", f"    y[o] = {last} + x0[o];"]
        case Pool():
            return _pool(n, y, x, program.shapes[n.source.source], program.shapes[n.name], constants)
        case Dense():
            weight = n.weight.reshape(len(n.weight), x.channels, x.positions).swapaxes(1, 2)
            w = constants.add(weight.reshape(n.weight.shape).T)
            return [
                f"const int64_t *w = {w};",
                f"memset(y, 0, {y.size} * sizeof *y);",
                f"for (int i = 0; i < {x.size}; i++)",
                "    if (x0[i])",
                f"        for (int o = 0; o < {y.size}; o++)",
                f"            y[o] = ({y.kind})(y[o] + x0[i] * w[i * {y.size} + o]);",
            ]
        case Conv():
            return _conv(n, y, x, program.shapes[n.source.source], program.shapes[n.name], constants)
        case _:
            raise AssertionError(n)


def _pool(n: Pool, y: Buffer, x: Buffer, image: Any, out: Any, constants: Constants) -> list[str]:
    if n.kind == "sum":
        combine = "v += x;"
    elif n.minimum is None:
        combine = "v = x > v ? x : v;"
    else:
        combine = f"v = (((const uint8_t *){constants.add(n.minimum.astype(np.uint8))})[c] ? x < v : x > v) ? x : v;"
    return [
        f"for (int q = 0; q < {out[1]}; q++)",
        f"for (int p = 0; p < {out[2]}; p++)",
        f"for (int c = 0; c < {y.channels}; c++) {{",
        f"    const {x.kind} *at = x0 + (q * {n.stride[0]} * {image[2]} + p * {n.stride[1]}) * {x.channels} + c;",
        f"    int64_t v = {'0' if n.kind == 'sum' else '*at'};",
        f"    for (int a = 0; a < {n.size[0]}; a++)",
        f"    for (int b = 0; b < {n.size[1]}; b++) {{",
        f"        const int64_t x = at[(a * {image[2]} + b) * {x.channels}];",
        f"        {combine}",
        "    }",
        f"    y[(q * {out[2]} + p) * {y.channels} + c] = ({y.kind})v;",
        "}",
    ]


def _conv(n: Conv, y: Buffer, x: Buffer, image: Any, out: Any, constants: Constants) -> list[str]:
    each, (inputs, kh, kw) = out[0] // n.groups, n.weight.shape[1:]
    weight = n.weight.reshape(n.groups, each, inputs, kh, kw).transpose(0, 2, 3, 4, 1)  # the channel last
    return [
        f"const int64_t *w = {constants.add(weight)};",
        f"memset(y, 0, {y.size} * sizeof *y);",
        f"for (int i = 0; i < {x.size}; i++) {{",
        "    if (!x0[i])",
        "        continue;",
        f"    const int c = i % {x.channels}, place = i / {x.channels};",
        f"    const int row = place / {image[2]}, column = place % {image[2]};",
        f"    for (int a = 0; a < {kh}; a++)",
        f"    for (int b = 0; b < {kw}; b++) {{",
        f"        const int q = row + {n.padding[0]} - a, p = column + {n.padding[1]} - b;",
        f"        if (q < 0 || p < 0 || q % {n.stride[0]} || p % {n.stride[1]})",
        "            continue;",
        f"        if (q / {n.stride[0]} >= {out[1]} || p / {n.stride[1]} >= {out[2]})",
        "            continue;",
        f"        const int64_t *tap = w + ((c * {kh} + a) * {kw} + b) * {each};",
        f"        const int at = q / {n.stride[0]} * {out[2]} + p / {n.stride[1]};",
        f"        {y.kind} *to = y + at * {y.channels} + c / {inputs} * {each};",
        f"        for (int o = 0; o < {each}; o++)",
        f"            to[o] = ({y.kind})(to[o] + x0[i] * tap[o]);",
        "    }",
        "}",
    ]


def readout_layer(n: Readout, x: Buffer) -> Layer:
    """The readout, written straight to the caller's array, channel first."""
    first, combine = "INT64_MIN", "v = x > v ? x : v;"
    if n.kind == "count":
        first, combine = "0", "v += x;"
    if n.kind == "last":
        first, combine = "0", "v = x;"
    lines = [
        "for (int64_t s = 0; s < m; s++)",
        f"for (int o = 0; o < {x.size}; o++) {{",
        f"    int64_t v = {first};",
        f"    for (int64_t t = {'T - 1' if n.kind == 'last' else '0'}; t < T; t++) {{",
        f"        const int64_t x = ({x.at('t')})[s * {x.size} + o];",
        f"        {combine}",
        "    }",
        f"    readout[(n0 + s) * {x.size} + o % {x.channels} * {x.positions} + o / {x.channels}] = v;",
        "}",
    ]
    return Layer("", lines)
