"""Networks of the literature, as plain torch modules with intspike neurons."""

from .language_baselines import gru_language as gru_language
from .language_baselines import transformer_language as transformer_language
from .recurrent import recurrent as recurrent
from .sew_resnet import sew_resnet_8 as sew_resnet_8
from .sew_resnet import sew_resnet_18 as sew_resnet_18
from .spiking_cnn import spiking_cnn as spiking_cnn
from .spiking_language import spiking_language as spiking_language
from .spiking_transformer import spiking_transformer as spiking_transformer
from .squat import squat_dvs as squat_dvs
from .squat import squat_fmnist as squat_fmnist
from .squat import squat_shd as squat_shd
