"""Neurons: one equation a file, a frozen dataclass with `step`, written against ops."""

from .adaptive import AdaptiveLIF as AdaptiveLIF
from .base import Neuron as Neuron
from .current_based import CubaLIF as CubaLIF
from .integer_lif import ILIF as ILIF
from .integrate_fire import IF as IF
from .lif import LIF as LIF

NEURONS: tuple[type[Neuron], ...] = (IF, LIF, ILIF, CubaLIF, AdaptiveLIF)
