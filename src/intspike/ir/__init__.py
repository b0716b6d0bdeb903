"""The waist: one integer program between training and everything else."""

from .program import Conv as Conv
from .program import Dense as Dense
from .program import Edge as Edge
from .program import Fold as Fold
from .program import Input as Input
from .program import Integrator as Integrator
from .program import Join as Join
from .program import Neuron as Neuron
from .program import Node as Node
from .program import Offset as Offset
from .program import Pool as Pool
from .program import Program as Program
from .program import Readout as Readout
from .program import Unfold as Unfold
from .program import frozen as frozen
from .ranges import Range as Range
from .ranges import ranges as ranges
from .static import static_nodes as static_nodes
