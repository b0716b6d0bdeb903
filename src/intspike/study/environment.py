"""The last part of a study's report: what made it, and how to get it again."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import torch

from .grid import Finished
from .report import Section, Table


def this_study(command: str, finished: Sequence[Finished]) -> Section:
    """Command, versions, machine and time of a study."""
    lines = [
        ["command", command],
        ["python", platform.python_version()],
        ["torch", torch.__version__],
        ["machine", platform.machine()],
        ["seconds of all cells", f"{sum(f.seconds for f in finished):.0f}"],
    ]
    return Section("run", "This study", "How to get this page again.", tables=[Table("", ("", ""), lines)])
