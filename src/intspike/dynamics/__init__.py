"""Dynamics: an integer network as a map on a finite set, its orbits, attractors and certificates."""

from .basins import Basin as Basin
from .basins import Basins as Basins
from .basins import basins as basins
from .draw import dot as dot
from .draw import graphml as graphml
from .graph import StateGraph as StateGraph
from .graph import attractors as attractors
from .graph import index_of as index_of
from .graph import state_of as state_of
from .kernel import advance as advance
from .network import IntegerNetwork as IntegerNetwork
from .network import Run as Run
from .orbits import Cycle as Cycle
from .orbits import Orbit as Orbit
from .orbits import orbit as orbit
from .orbits import raster as raster
from .random_networks import Ensemble as Ensemble
from .regime import Regime as Regime
from .regime import classify as classify
from .regime import dead_zone as dead_zone
from .regime import settling_time as settling_time
