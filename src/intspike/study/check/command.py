"""`intspike check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .. import arguments
from ..bits import config_of, parse_bits
from ..terminal import drawn, need_torch, numbers, print_object

console = Console()


def check(
    model: Annotated[
        str,
        typer.Argument(help=f"{arguments.NETWORK}; or a NIR file"),
    ],
    input_shape: Annotated[str, typer.Option(help="of one frame: 1,28,28 or 700")] = "1,28,28",
    bits: arguments.CodeBits = "4",
    codec: arguments.Codec = "after-reset",
    rate: Annotated[float, typer.Option(help="assumed spikes per neuron and timestep")] = 0.1,
    timesteps: Annotated[int, typer.Option(help="assumed T")] = 25,
    timed: arguments.Timed = False,
    as_json: arguments.Json = False,
    out: Annotated[Path | None, typer.Option(help="also write the JSON object into this file")] = None,
) -> None:
    """Before training: what of a model will lower and what is refused, proved widths, memory, operations.

    intspike check my_module:build --input-shape 3,32,32 --bits 2

    Of a NIR file: what it says, and what it leaves open.

    intspike check model.nir
    """
    need_torch()
    if model.endswith(".nir"):
        from ..interchange.meaning import explain

        explain(Path(model), as_json, out)
        return
    from ...errors import BadInput, NotLowerable
    from ..folder import clear_disk_errors, write_json
    from .check import check as checked
    from .tables import tables
    from .which import model_of

    config = config_of(parse_bits(bits, full=False), codec)
    shape = numbers(input_shape, "input-shape", int, "1,28,28")
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise BadInput(f"--input-shape must be C,H,W or N, such as 1,28,28 or 700, not {input_shape!r}")
    found = checked(model_of(model, shape), config, shape, rate=rate, timesteps=timesteps, timed=timed)
    if out is not None:
        with clear_disk_errors(out, keeps=False):
            write_json(out, found.to_dict())
    if as_json:
        print_object(found.to_dict())
    else:
        for table in tables(found):
            console.print(drawn(table))
    if not found.lowers:
        refused = "; ".join(f"{p.layer}: {p.name}: {p.detail}" for p in found.report.refused)
        raise NotLowerable(f"{model} does not lower as it is: {refused}")
