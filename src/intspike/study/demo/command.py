"""`intspike demo`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from .. import arguments
from ..terminal import drawn, under_bars

console = Console()


def demo(out: arguments.Folder = Path("runs/pretrained"), force: arguments.Force = False) -> None:
    """Run, inspect and export networks that travel with intspike: no training, no torch, seconds.

    intspike demo

    Their names stand for their files in every command: intspike show fashion-mnist-w2u2
    """
    from ..folder import claim, clear_disk_errors
    from .page import table, write
    from .run import run

    with clear_disk_errors(out, keeps=False):
        claim(out, "demo", force)
        made = under_bars(lambda watch: run(out, watch))
    write(made, out)
    console.print(drawn(table(made)))
    first = made.networks[-1].network.name
    for what, words in (
        ("its pictures", f"{out / 'report.html'}"),
        ("its program", f"intspike show {first}"),
        ("its C", f"make -C {out / first / 'c'}"),
        ("its energy", f"intspike energy {first} --data {made.dataset.name.lower()}"),
        ("train your own", "intspike run fashion-mnist --quick"),
    ):
        console.print(f"{what:15} {words}", highlight=False, markup=False, soft_wrap=True)
