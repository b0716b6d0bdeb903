"""The model that a check is asked for."""

from __future__ import annotations

from pathlib import Path

import torch

from ... import pretrained
from ...errors import BadInput, did_you_mean
from ...pretrained import PROGRAM
from .. import custom
from ..models import MODELS


def model_of(name: str, shape: tuple[int, ...]) -> torch.nn.Module:
    """The user's model, or a registered one for frames of a shape.

    Raises:
        BadInput: there is none, or it reads other frames.
    """
    if custom.is_function(name):
        return custom.user_model(name, "the model")
    if Path(name).suffix == ".intspike" or (Path(name) / PROGRAM).is_file() or name in pretrained.networks():
        raise BadInput(
            f"a check must be of a model that is not lowered yet, but {name} is a stored program; intspike show prints "
            "its widths, intspike energy counts its operations"
        )
    # as everywhere, underscores are dashes; one network has its studies' size in the name
    known = {"recurrent": "recurrent-100"}.get(name, name.replace("_", "-"))
    if known not in MODELS:
        raise BadInput(
            f"the model to check must be module:function or a registered one, not {name!r}; "
            f"{did_you_mean(name, MODELS)}"
        )
    return MODELS[known].fitted(known, shape, "give --input-shape")
