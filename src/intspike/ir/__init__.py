"""The waist: one integer program between training and everything else."""

from .nodes import Conv as Conv
from .nodes import Dense as Dense
from .nodes import Edge as Edge
from .nodes import Fold as Fold
from .nodes import Input as Input
from .nodes import Integrator as Integrator
from .nodes import Join as Join
from .nodes import Neuron as Neuron
from .nodes import Node as Node
from .nodes import Offset as Offset
from .nodes import Pool as Pool
from .nodes import Readout as Readout
from .nodes import Unfold as Unfold
from .nodes import frozen as frozen
from .program import Program as Program
from .ranges import Range as Range
from .ranges import ranges as ranges
from .static import static_nodes as static_nodes
