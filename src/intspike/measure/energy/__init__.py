"""What an inference costs: exact counts of operations times a named, sourced table of energies.

A new table is a TOML file in `tables`.
"""

from .break_even import LITERATURE as LITERATURE
from .break_even import Activity as Activity
from .break_even import BreakEven as BreakEven
from .break_even import Limit as Limit
from .break_even import activity as activity
from .break_even import break_even as break_even
from .counts import CAUSES as CAUSES
from .counts import Count as Count
from .counts import Counts as Counts
from .crossbar import crossbar_counts as crossbar_counts
from .crossbar import lossless_bits as lossless_bits
from .cycles import cycle_counts as cycle_counts
from .events import event_counts as event_counts
from .price import Energy as Energy
from .price import energy as energy
from .rivals import Precision as Precision
from .rivals import ann_counts as ann_counts
from .rivals import equal_information as equal_information
from .span import Span as Span
from .table import Coefficient as Coefficient
from .table import Coefficients as Coefficients
from .table import load as load
from .table import names as names
from .table import read as read
