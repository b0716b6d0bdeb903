"""In what a network's parameters and those of a file differ, said in a few words."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

SAID = 3


def misfit(model: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> str:
    """The first few differences in names and shapes, and how many more there are; nothing where there are none.

    Parameters without a value are made when a network is given its first, so they have every shape.
    """
    parts = [
        f"{name} is {list(file[name].shape)} in the file and {list(t.shape)} in the model"
        for name, t in model.items()
        if name in file and t.numel() and file[name].shape != t.shape
    ]
    parts += [f"{name} is in the model alone" for name in model if name not in file]
    parts += [f"{name} is in the file alone" for name in file if name not in model]
    more = f"; {len(parts) - SAID} more differ" if len(parts) > SAID else ""
    return "; ".join(parts[:SAID]) + more
