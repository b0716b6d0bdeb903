"""Encoders: frames, events and sound to inputs over time. Needs numpy alone.

A new encoder is a new file here, and one line below.
"""

from .cochlea import Cochlea
from .direct import direct
from .events import Bins, Sensor
from .rows import rows

__all__ = ["Bins", "Cochlea", "Sensor", "direct", "rows"]
