"""Where both halves meet: a quantized network becomes a program, and the two are held against each other."""

from .drift import drift as drift
from .lower import lower as lower
from .lower import lower_with_report as lower_with_report
from .lower import lowerability as lowerability
from .report import Lowering as Lowering
from .verify import torch_trace as torch_trace
from .verify import verify as verify
