"""Dynamics: an integer network as a map on a finite set, its orbits, attractors and certificates."""

from .network import IntegerNetwork as IntegerNetwork
from .network import Run as Run
