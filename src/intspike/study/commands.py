"""`intspike study`: grids of trainings, kept cell by cell."""

from __future__ import annotations

import typer

from .drift.command import drift
from .neurons.command import neurons
from .squat.command import squat
from .timesteps.command import timesteps

app = typer.Typer(no_args_is_help=True, help="Grids of trainings: kept cell by cell, resumed, reported.")
for command in (drift, timesteps, neurons, squat):
    app.command()(command)
