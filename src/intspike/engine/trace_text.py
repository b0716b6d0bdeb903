"""Traces as text: a format that a C program writes with printf, a testbench with $fwrite, and people read.

After a header, every line is integers: sample, timestep, layer, field, then one value for each neuron, channel first.
Field 0 is the output (spikes), field 1, 2, ... the stored codes of the layer's states in the header's order. Layer -1
is the readout, at timestep T. Lines come in any order, each once; `#` begins a comment. See docs/formats.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, BadInput
from ..files import write_atomic
from .trace import Trace

FIRST = "intspike trace 1"
MAX_BYTES, MAX_VALUES = 1 << 30, 1 << 28
READOUT = -1
_HEAD = re.compile(r"(timesteps|samples|layer|state|readout)\s+(.*\S)\s*")
Field = tuple[str, str]  # a layer, and "" for its output or the name of a state


@dataclass(frozen=True)
class Shapes:
    """What a trace holds: its header.

    Attributes:
        timesteps, samples: T and B.
        layers: of each layer its name, shape and states; in order.
        readout: shape.
    """

    timesteps: int
    samples: int
    layers: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...]
    readout: tuple[int, ...]


def shapes_of(trace: Trace) -> Shapes:
    """The header of a trace."""
    layers = tuple(
        (name, tuple(s.shape[2:]), tuple(trace.codes.get(name, {}))) for name, s in trace.spikes.items()
    )
    return Shapes(trace.timesteps, len(trace.readout), layers, tuple(trace.readout.shape[1:]))


def records(trace: Trace) -> Iterator[tuple[int, int, int, int, NDArray[np.int64]]]:
    """(sample, timestep, layer, field, values) in order: by sample, timestep and layer; then the sample's readout."""
    for b in range(len(trace.readout)):
        for t in range(trace.timesteps):
            for k, (name, spikes) in enumerate(trace.spikes.items()):
                yield b, t, k, 0, spikes[t, b].astype(np.int64).ravel()
                for j, codes in enumerate(trace.codes.get(name, {}).values()):
                    yield b, t, k, j + 1, codes[t, b].astype(np.int64).ravel()
        yield b, trace.timesteps, READOUT, 0, trace.readout[b].astype(np.int64).ravel()


def header(shapes: Shapes) -> list[str]:
    """The lines before the integers."""
    lines = [FIRST, f"timesteps {shapes.timesteps}", f"samples {shapes.samples}"]
    for k, (name, shape, states) in enumerate(shapes.layers):
        lines.append(f"layer {k} {_shape(shape)} {name}")
        lines += [f"state {k} {state}" for state in states]
    return [*lines, f"readout {_shape(shapes.readout)}", "# sample timestep layer field values..."]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def write_trace(trace: Trace, path: Path | str) -> None:
    """Write a trace as text, whole or not at all.

    Raises:
        BadInput: a layer whose name is no single line, or a file that cannot be written.
    """
    shapes = shapes_of(trace)
    for name, _, states in shapes.layers:
        if any(x != " ".join(x.split()) for x in (name, *states)):
            raise BadInput(
                f"layers of a trace must have names without line breaks or doubled blanks, not {name!r}"
            )

    def write(passing: Path) -> None:
        with passing.open("w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in header(shapes))
            for *where, values in records(trace):
                file.write(" ".join(map(str, [*where, *values.tolist()])) + "\n")

    try:
        write_atomic(Path(path), write)
    except OSError as error:
        raise BadInput(f"{path} must be a file that can be written, but: {error}; choose another") from error


def read_trace(path: Path | str) -> Trace:
    """Read a trace from a file that is not trusted.

    Raises:
        BadData: no trace, or one that lacks a record or holds one twice; with the number of the line.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise BadData(
                f"{path} must be a trace, a text file, but there is none; intspike vectors writes one"
            )
        if path.stat().st_size > MAX_BYTES:
            raise BadData(
                f"{path} must be a trace of at most {MAX_BYTES:,} bytes, not {path.stat().st_size:,}"
            )
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path} must be a text file that can be read, but: {error}") from error
    if not lines or lines[0].strip() != FIRST:
        raise BadData(f"{path} must begin with the line {FIRST!r}; docs/formats.md has the form")
    shapes, body = _read_header(path, lines)
    return _read_records(path, lines, shapes, body)


def _read_header(path: Path, lines: list[str]) -> tuple[Shapes, int]:
    """The header, and the index of the first line behind it."""
    sizes: dict[str, int] = {}
    layers: list[tuple[str, tuple[int, ...], list[str]]] = []
    for k, line in enumerate(lines[1:], 1):
        text = line.partition("#")[0].strip() if line.lstrip().startswith("#") else line.strip()
        if not text:
            continue
        found = _HEAD.fullmatch(text)
        words = found[2].split(maxsplit=2) if found else []
        try:
            match found and found[1]:
                case "timesteps" | "samples":
                    sizes[found[1]] = int(words[0])  # type: ignore[index]
                case "layer":
                    if int(words[0]) != len(layers):
                        raise ValueError("layers must be counted from 0")
                    layers.append((words[2], _sizes(words[1]), []))
                case "state":
                    layers[int(words[0])][2].append(words[1])
                case "readout":
                    readout = _sizes(words[0])
                    made = tuple((name, shape, tuple(states)) for name, shape, states in layers)
                    return _checked(path, Shapes(sizes["timesteps"], sizes["samples"], made, readout)), k + 1
                case _:
                    raise ValueError("no header line")
        except (ValueError, IndexError, KeyError) as error:
            raise BadData(
                f"{path}, line {k + 1}: the header must be timesteps, samples, layers with their states, readout, not "
                f"{text[:60]!r} ({error})"
            ) from None
    raise BadData(f"{path} must have a header that ends with the readout")


def _sizes(text: str) -> tuple[int, ...]:
    shape = tuple(int(x) for x in text.split("x"))
    if min(shape) < 1:
        raise ValueError("sizes must be positive")
    return shape


def _checked(path: Path, s: Shapes) -> Shapes:
    values = s.samples * (
        s.timesteps * sum(prod(shape) * (1 + len(states)) for _, shape, states in s.layers) + prod(s.readout)
    )
    names = [name for name, _, _ in s.layers]
    if min(s.timesteps, s.samples) < 1 or values > MAX_VALUES or len(set(names)) < len(names):
        raise BadData(
            f"{path} must hold 1 to {MAX_VALUES:,} values of layers with names of their own, not {values:,}"
        )
    return s


def _read_records(path: Path, lines: list[str], s: Shapes, body: int) -> Trace:
    arrays: dict[tuple[int, int], NDArray[np.int64]] = {}
    seen: dict[tuple[int, int], NDArray[np.bool_]] = {}
    for k, (_, shape, states) in enumerate(s.layers):
        for j in range(len(states) + 1):
            arrays[k, j] = np.zeros((s.timesteps, s.samples, prod(shape)), np.int64)
            seen[k, j] = np.zeros((s.timesteps, s.samples), np.bool_)
    readout, read = np.zeros((s.samples, prod(s.readout)), np.int64), np.zeros(s.samples, np.bool_)
    for number, line in enumerate(lines[body:], body + 1):
        text = line.partition("#")[0].split()
        if not text:
            continue
        try:
            b, t, k, j, *values = (int(x) for x in text)
            if b < 0 or t < 0 or not all(-(2**62) < v < 2**62 for v in values):
                raise ValueError("a number out of range")
            if k == READOUT:
                target, mark = (readout, read) if (t, j) == (s.timesteps, 0) else ({}, {})
                at: tuple[int, ...] = (b,)
            else:
                target, mark, at = arrays[k, j], seen[k, j], (t, b)
            if mark[at]:  # type: ignore[index]
                raise ValueError("it comes twice")
            target[at] = np.array(values).reshape(target[at].shape)  # type: ignore[index, union-attr]
            mark[at] = True  # type: ignore[index]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise BadData(
                f"{path}, line {number}: a record must be sample, timestep, layer, field and the values of the "
                f"header's shape, not {line[:60]!r} ({type(error).__name__}: {error})"
            ) from None
    for (k, j), mark in seen.items():
        if not mark.all():
            t, b = (int(x) for x in np.argwhere(~mark)[0])
            raise BadData(
                f"{path} must hold every record, but sample {b}, timestep {t}, layer {k}, field {j} is missing"
            )
    if not read.all():
        raise BadData(f"{path} must hold every readout, but sample {int(np.argmin(read))} has none")
    frame = (s.timesteps, s.samples)
    spikes = {name: arrays[k, 0].reshape(*frame, *shape) for k, (name, shape, _) in enumerate(s.layers)}
    codes = {
        name: {state: arrays[k, j + 1].reshape(*frame, *shape) for j, state in enumerate(states)}
        for k, (name, shape, states) in enumerate(s.layers)
    }
    return Trace(spikes, codes, readout.reshape(s.samples, *s.readout), s.timesteps)  # type: ignore[arg-type]
