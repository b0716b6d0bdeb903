"""Data sets: labelled uint8 images in training, validation and test splits. Needs numpy alone, no torch.

A new data set is a new file here that returns a Dataset, and one line below.
"""

from .dataset import Dataset, Split, subset
from .download import get_fashion_mnist
from .fashion import fashion_mnist
from .mnist import mnist

__all__ = ["Dataset", "Split", "fashion_mnist", "get_fashion_mnist", "mnist", "subset"]
