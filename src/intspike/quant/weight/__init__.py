"""Weight quantizers: reals to integer codes with a real step, trained straight through. One file a quantizer."""

from .base import Coded as Coded
from .base import WeightQuantizer as WeightQuantizer
from .binary import Binary as Binary
from .lq_net import LQNet as LQNet
from .plain import weight_of as weight_of
from .power_of_two import PowerOfTwo as PowerOfTwo
from .ternary import Ternary as Ternary
from .uniform import LSQ as LSQ
from .uniform import Uniform as Uniform
