"""State quantizers: how a membrane potential is stored between timesteps. One file a quantizer."""

from .base import StateQuantizer as StateQuantizer
from .base import form_of as form_of
from .learned import LearnedLevels as LearnedLevels
from .other import OtherState as OtherState
from .power_of_two import PowerOfTwoState as PowerOfTwoState
from .threshold_centred import ThresholdCentred as ThresholdCentred
from .uniform import UniformState as UniformState
