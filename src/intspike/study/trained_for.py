"""T of a training, kept in the notes of the program that it made: what runs the program without another T takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir import Program

NOTE = "timesteps"  # T of the training, as a decimal number
MOST = 10_000
UNKNOWN = 25  # of static samples, where neither user nor network says


def noted(program: Program, timesteps: int) -> Program:
    """The program with T of its training in its notes; what it computes stays."""
    return replace(program, notes={**program.notes, NOTE: str(timesteps)})


def trained_timesteps(notes: Mapping[str, str]) -> int | None:
    """T of a training, by its notes; None where they name none in 1..10000, for a file may say anything."""
    text = notes.get(NOTE, "")
    known = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST))
    return int(text) if known and 1 <= int(text) <= MOST else None


def chosen(asked: int | None, data: int | None, *trained: int | None) -> int:
    """T of a run: the user's, else the data set's own, else that of the (first) training, else 25."""
    return next((t for t in (asked, data, *trained) if t is not None), UNKNOWN)
