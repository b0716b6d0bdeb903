"""Networks: ordinary torch modules with intspike neurons, in full precision or quantized."""

from .artificial import Artificial as Artificial
from .group import Group as Group
from .integers import Integers as Integers
from .join import Join as Join
from .network import Network as Network
from .network import Record as Record
from .neuron import ASN as ASN
from .neuron import IF as IF
from .neuron import ILIF as ILIF
from .neuron import LIF as LIF
from .neuron import NASN as NASN
from .neuron import NILIF as NILIF
from .neuron import PLIF as PLIF
from .neuron import AdaptiveLIF as AdaptiveLIF
from .neuron import CubaLIF as CubaLIF
from .neuron import Input as Input
from .neuron import Neuron as Neuron
from .quantize import calibrate as calibrate
from .quantize import quantize as quantize
from .ranges import fit_ranges as fit_ranges
from .readout import Integrator as Integrator
from .readout import Readout as Readout
from .recurrent import Recurrent as Recurrent
from .unfold import unfold as unfold
