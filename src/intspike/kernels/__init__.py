"""Traced bodies as fused loops over time, and the oracle that judges them."""

from . import recurrent as recurrent
from .fused import run as run
