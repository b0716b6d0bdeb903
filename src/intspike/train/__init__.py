"""Training and its losses; the same loop for full precision and for integer codes."""

from .fit import Epoch as Epoch
from .fit import Progress as Progress
from .fit import accuracy as accuracy
from .fit import correct_on as correct_on
from .fit import fit as fit
from .losses import CountCrossEntropy as CountCrossEntropy
from .losses import CountMSE as CountMSE
