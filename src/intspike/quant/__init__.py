"""Quantizers: reals to codes, one file a quantizer, and the configuration that names them."""

from .comparison import ComparisonState as ComparisonState
from .config import QuantConfig as QuantConfig
from .per_forward import PerForwardRange as PerForwardRange
from .snntorch_compat import SnnTorchState as SnnTorchState
from .state import LearnedLevels as LearnedLevels
from .state import OtherState as OtherState
from .state import PowerOfTwoState as PowerOfTwoState
from .state import StateQuantizer as StateQuantizer
from .state import ThresholdCentred as ThresholdCentred
from .state import UniformState as UniformState
from .state import form_of as form_of
from .weight import LSQ as LSQ
from .weight import Binary as Binary
from .weight import Coded as Coded
from .weight import LQNet as LQNet
from .weight import PowerOfTwo as PowerOfTwo
from .weight import Ternary as Ternary
from .weight import Uniform as Uniform
from .weight import WeightQuantizer as WeightQuantizer
from .weight import weight_of as weight_of
