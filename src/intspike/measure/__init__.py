"""Measures: traces and programs to numbers. A new one is a new file here and one line below."""

from .firing import FiringCounts as FiringCounts
from .firing import FiringReport as FiringReport
from .firing import LayerFiring as LayerFiring
from .firing import firing_report as firing_report
from .memory import NodeSize as NodeSize
from .memory import SizeReport as SizeReport
from .memory import size_bits as size_bits
from .spikes import counts as counts
from .spikes import dead as dead
from .spikes import emd as emd
from .spikes import emd_counts as emd_counts
from .spikes import emd_exact as emd_exact
from .spikes import firing_rates as firing_rates
from .spikes import newly_dead as newly_dead
from .spikes import paired_distance as paired_distance
from .spikes import paired_exact as paired_exact
from .spikes import rate_correlation as rate_correlation
from .spikes import saturated as saturated
from .statistics import Interval as Interval
from .statistics import mean_interval as mean_interval
from .statistics import paired_interval as paired_interval
from .statistics import wilson as wilson
from .synops import LayerSynOps as LayerSynOps
from .synops import SynOps as SynOps
from .synops import fan_out as fan_out
from .synops import synops as synops
