"""Data sets: labelled uint8 inputs, static or timed, in training, validation and test splits. Needs no torch.

A new data set is a new file here that returns a Dataset, and one line below.
"""

from .augment import Augment
from .cifar import cifar10, cifar100
from .dataset import Dataset, Split, subset
from .delayed_match import delayed_match
from .download import get_fashion_mnist
from .dvs_gesture import dvs_gesture
from .fashion import fashion_mnist
from .labelled_text import folder_vocabulary, text_folders
from .mnist import mnist
from .nmnist import nmnist
from .npz import npz
from .shd import shd
from .spoken_digits import spoken_digits
from .text import Text, encode_text, read_text, text_windows
from .text_sample import shakespeare, speakers
from .timed import by_rows

__all__ = [
    "Augment",
    "Dataset",
    "Split",
    "Text",
    "by_rows",
    "cifar10",
    "cifar100",
    "delayed_match",
    "dvs_gesture",
    "encode_text",
    "fashion_mnist",
    "folder_vocabulary",
    "get_fashion_mnist",
    "mnist",
    "nmnist",
    "npz",
    "read_text",
    "shakespeare",
    "shd",
    "speakers",
    "spoken_digits",
    "subset",
    "text_folders",
    "text_windows",
]
