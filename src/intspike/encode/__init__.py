"""Encoders: frames, events and sound to inputs over time. Needs numpy alone.

A new encoder is a new file here, and one line below.
"""

from .cochlea import Cochlea
from .delta import delta
from .direct import direct
from .events import Bins, Sensor
from .latency import latency
from .rate import rate
from .rows import rows

__all__ = ["Bins", "Cochlea", "Sensor", "delta", "direct", "latency", "rate", "rows"]
