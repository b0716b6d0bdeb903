"""Training and its losses; the same loop for full precision and for integer codes."""

from .artificial import fit_artificial as fit_artificial
from .evaluate import accuracy as accuracy
from .evaluate import correct_on as correct_on
from .firing import FiringRegularizer as FiringRegularizer
from .fit import fit as fit
from .history import Epoch as Epoch
from .history import Progress as Progress
from .language import NextToken as NextToken
from .language import bits_of_windows as bits_of_windows
from .language import bits_per_token as bits_per_token
from .language import next_tokens as next_tokens
from .language import spiking_logits as spiking_logits
from .losses import CountCrossEntropy as CountCrossEntropy
from .losses import CountMSE as CountMSE
from .plain import fit_plain as fit_plain
