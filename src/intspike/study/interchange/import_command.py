"""`intspike import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ...errors import BadInput
from .. import arguments
from ..bits import config_of, parse_bits
from ..terminal import drawn, need_torch, print_object

if TYPE_CHECKING:
    from ...interop import Imported
    from ..report.content import Table

console = Console()
COMPARISONS = {"gt": ">", "ge": ">="}


def import_(
    file: Annotated[Path, typer.Argument(help="a NIR file")],
    timestep: Annotated[
        float | None, typer.Option(help="dt, in the unit of the file's time constants (s)")
    ] = None,
    reset: Annotated[str, typer.Option(help="what a spike does: zero, as NIR says, or subtract")] = "zero",
    reset_order: Annotated[str, typer.Option(help="before-leak or after-leak")] = "before-leak",
    comparison: Annotated[str, typer.Option(help="a spike is v > theta (gt) or v >= theta (ge)")] = "gt",
    discretisation: Annotated[str, typer.Option(help="euler (1 - dt/tau) or exact (exp(-dt/tau))")] = "euler",
    scale: Annotated[float, typer.Option(help="real value of one input code")] = 1.0,
    high: Annotated[int, typer.Option(help="largest input code")] = 255,
    bits: arguments.CodeBits = "4",
    codec: arguments.Codec = "after-reset",
    out: arguments.Folder = Path("imported"),
    force: arguments.Force = False,
    as_json: arguments.Json = False,
) -> None:
    """Import a NIR file: every choice listed, quantized as it stands, lowered and stored.

    A file that intspike wrote holds its integer program, which comes back bit by bit; --timestep is not needed then.

    intspike import model.nir --timestep 1e-3 --reset subtract --bits 8-4
    """
    need_torch()
    from ...interop.nir_file import read
    from ...interop.nir_program import program_in
    from ...ir.artifact import content_hash, save
    from ..folder import clear_disk_errors, write_json

    _check_out(out, force)
    graph = read(file)
    program = program_in(graph)
    record: dict[str, Any] = {"file": file.name, "exact": program is not None}
    shown: list[Table] = []
    if program is None:
        if timestep is None:
            raise BadInput(
                f"{file} holds no program of intspike, so --timestep must be given, such as 1e-3 (seconds)"
            )
        asked = _asked(reset, reset_order, comparison, discretisation)
        program, record, shown = _lowered(
            graph, record, timestep, asked, scale, high, config_of(parse_bits(bits, full=False), codec)
        )
    record["content_hash"] = content_hash(program)
    with clear_disk_errors(out, keeps=False):
        out.mkdir(parents=True, exist_ok=True)
        save(program, out / "model.intspike")
        write_json(out / "import.json", record)
    if as_json:
        print_object(record)
        return
    for table in shown:
        console.print(drawn(table))
    if record["exact"]:
        console.print(
            f"{file} holds the integer program itself, restored bit by bit: its hash is {record['content_hash'][:16]}",
            soft_wrap=True,
        )
    console.print(
        f"{out / 'model.intspike'} is the program (intspike show); {out / 'import.json'} holds the choices",
        soft_wrap=True,
    )


def _check_out(out: Path, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise BadInput(f"--out must be a folder, but {out} is a file; choose another")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise BadInput(
            f"the output folder must be new or empty, but {out} is not; choose another, or --force"
        )


def _asked(reset: str, reset_order: str, comparison: str, discretisation: str) -> dict[str, str]:
    if reset_order not in ("before-leak", "after-leak"):
        raise BadInput(f"--reset-order must be before-leak or after-leak, not {reset_order!r}")
    if comparison not in COMPARISONS:
        raise BadInput(f"--comparison must be gt or ge, not {comparison!r}")
    return {
        "reset": reset,
        "reset_order": reset_order.replace("-", " "),
        "compare": COMPARISONS[comparison],
        "discretisation": discretisation,
    }


def _lowered(
    graph: Any,
    record: dict[str, Any],
    timestep: float,
    asked: dict[str, Any],
    scale: float,
    high: int,
    config: Any,
) -> tuple[Any, dict[str, Any], list[Table]]:
    """The graph as a quantized program, what is recorded, and the tables of it."""
    from ...interop import from_nir
    from ...lower import lower_with_report
    from ...nn import quantize

    imported = from_nir(graph, timestep, scale=scale, high=high, **asked)
    net = quantize(imported.network, config).eval()
    program, report = lower_with_report(net, input_shape=imported.input_shape)
    record |= {"source": imported.source, "choices": imported.rows(), "lowering": report.to_dict()}
    return program, record, [_choices(imported), _report(report)]


def _choices(imported: Imported) -> Table:
    from ..report.content import Table

    heads = ("layer", "field", imported.source, "intspike", "effect")
    return Table("Choices", heads, [list(row) for row in imported.rows()])


def _report(report: Any) -> Table:
    from ..report.content import Table

    rows = [
        [p.layer, p.name, p.status, f"{p.lsb:.3f} LSB" if p.lsb else "", p.detail] for p in report.parameters
    ]
    return Table("Lowering", ("layer", "parameter", "status", "moved", "detail"), rows)
