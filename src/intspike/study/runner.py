"""What every study does once its grid is known: compute the cells that are not there yet, then write what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from .folder import clear_disk_errors
from .grid import Cell, Finished, Store, run_cells
from .grid.cell import Work
from .report import Table
from .watch import Watch

Options = TypeVar("Options")


class Computing(TypedDict, total=False):
    """How cells are computed; those of `grid.run_cells`, with its defaults."""

    backend: str
    jobs: int
    address: str | None
    retry_failed: bool
    wait: bool


@dataclass(frozen=True)
class Written:
    """What a study has to say, after it has written tables and report.

    Attributes:
        tables: those that the terminal shows.
        summary: as in summary.json.
    """

    tables: Sequence[Table]
    summary: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Study(Generic[Options]):
    """A finished study.

    Attributes:
        options: what was asked for.
        cells: one entry a cell of the grid.
        tables: those that the terminal shows.
        summary: as in summary.json.
    """

    options: Options
    cells: Sequence[Finished]
    tables: Sequence[Table]
    summary: Sequence[Mapping[str, Any]]

    @property
    def failed(self) -> list[Finished]:
        return [c for c in self.cells if c.status == "failed"]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: how many cells there are, those that failed by their hash with the reason, and the summary."""
        return {
            "cells": len(self.cells),
            "failed": {c.hash: c.reason for c in self.failed},
            "summary": [dict(line) for line in self.summary],
        }


def run_study(
    options: Options,
    cells: Sequence[Cell],
    work: Work,
    write: Callable[[Sequence[Finished], Store, Path], Written],
    out: Path,
    tables: Path | None,
    record: Mapping[str, Any],
    watch: Watch | None,
    **computing: Unpack[Computing],
) -> Study[Options]:
    """Compute the cells that are not there yet, then write tables, summary and report of all of them.

    Args:
        cells: the grid.
        work: what computes one.
        write: writes what the finished cells say into a folder, and returns it.
        out: the study's folder.
        tables: where tables, summary and report are written, if not there.
        record: what was asked for, kept as study.json.

    Raises:
        BadInput: a folder that is in use or cannot be written, numbers of jobs that cannot be.
    """
    with clear_disk_errors(out):
        finished = run_cells(cells, work, out, record=record, watch=watch, **computing)
        made = write(finished, Store(out), tables or out)
    return Study(options, finished, made.tables, made.summary)
