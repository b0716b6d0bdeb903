"""Scalar integer ops: their table, tracing of a neuron's step, interval and gradient rules, rendering to C."""

from .body import Body as Body
from .body import parameter_shape as parameter_shape
from .codec import Codec as Codec
from .codec import State as State
from .codec import Table as Table
from .codec import Uniform as Uniform
from .gradients import Backward as Backward
from .gradients import backward as backward
from .instruction import Instruction as Instruction
from .interpret import step_many as step_many
from .interpret import step_one as step_one
from .intervals import intervals as intervals
from .surrogate import FastSigmoid as FastSigmoid
from .surrogate import Rectangle as Rectangle
from .surrogate import ShiftedArctan as ShiftedArctan
from .surrogate import Surrogate as Surrogate
from .surrogate import Triangle as Triangle
from .table import OPS as OPS
from .trace import Blocked as Blocked
from .trace import Carry as Carry
from .trace import Dyadic as Dyadic
from .trace import Form as Form
from .trace import Leak as Leak
from .trace import Shift as Shift
from .trace import trace as trace
