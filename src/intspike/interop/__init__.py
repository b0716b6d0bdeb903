"""Networks of other tools as intspike networks: the same spikes in full precision, every choice listed.

Each adapter imports its tool when it is used.
"""

from .agreement import Agreement as Agreement
from .agreement import agreement as agreement
from .elsewhere import Lowerable as Lowerable
from .elsewhere import Mismatch as Mismatch
from .elsewhere import lowerable as lowerable
from .given import GivenLevels as GivenLevels
from .given import GivenSteps as GivenSteps
from .imported import Choice as Choice
from .imported import Imported as Imported
from .nir import from_nir as from_nir
from .norse import from_norse as from_norse
from .onnx_network import export_network_onnx as export_network_onnx
from .snntorch import from_snntorch as from_snntorch
from .spikingjelly import from_spikingjelly as from_spikingjelly
