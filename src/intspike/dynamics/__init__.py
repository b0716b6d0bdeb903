"""Dynamics: an integer network as a map on a finite set, its orbits, attractors and certificates."""

from .kernel import advance as advance
from .network import IntegerNetwork as IntegerNetwork
from .network import Run as Run
from .orbits import Cycle as Cycle
from .orbits import Orbit as Orbit
from .orbits import orbit as orbit
from .regime import Regime as Regime
from .regime import classify as classify
from .regime import dead_zone as dead_zone
from .regime import settling_time as settling_time
