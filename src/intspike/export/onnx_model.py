"""From a graph to an ONNX file: what every export shares."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BadInput, MissingDependency
from ..files import write_atomic
from .onnx_graph import Graph

OPSET, IR_VERSION = 17, 9


def onnx_package() -> Any:
    """The onnx package.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        for name in ("checker", "helper", "numpy_helper"):
            importlib.import_module(f"onnx.{name}")
        return importlib.import_module("onnx")
    except ImportError as e:
        raise MissingDependency("ONNX files need the onnx package; run: pip install 'intspike[onnx]'") from e


MOST_STEPS = 1024


def check_steps(path: Path, timesteps: int, force: bool) -> None:
    """Refuse a file that exists, and runs that no graph should hold.

    Raises:
        BadInput: what must hold.
    """
    if path.exists() and not force:
        raise BadInput(f"{path} exists; choose another, or force=True")
    if not 1 <= timesteps <= MOST_STEPS:
        raise BadInput(
            f"timesteps must be in 1..{MOST_STEPS}, because the graph holds each of them, not {timesteps}"
        )


def finish(
    g: Graph,
    path: Path,
    declared: Sequence[Any],
    outputs: Mapping[str, tuple[str, Sequence[Any]]],
    kind: int,
) -> None:
    """Name the outputs, check the model and write it, whole or not at all.

    Args:
        declared: shape of the input.
        outputs: by name, the value and its shape.
        kind: element type of the input and of all outputs.
    """
    helper = g.onnx.helper
    for name, (value, _) in outputs.items():
        g.nodes.append(helper.make_node("Identity", [value], [name]))
    graph = helper.make_graph(
        g.nodes,
        "intspike",
        [helper.make_tensor_value_info("input", kind, list(declared))],
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (_, shape) in outputs.items()],
        g.constants,
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="intspike"
    )
    g.onnx.checker.check_model(made, full_check=True)
    try:
        write_atomic(path, lambda passing: passing.write_bytes(made.SerializeToString()))
    except OSError as error:
        raise BadInput(f"{path} must be a file that can be written, but: {error}; choose another") from error
