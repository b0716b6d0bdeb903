"""The model that a check is asked for."""

from __future__ import annotations

import torch

from ...errors import BadInput, did_you_mean
from .. import custom
from ..models import MODELS


def model_of(name: str, shape: tuple[int, ...]) -> torch.nn.Module:
    """The user's model, or a registered one for frames of a shape.

    Raises:
        BadInput: there is none, or it reads other frames.
    """
    if custom.is_function(name):
        return custom.user_model(name, "the model")
    if name not in MODELS:
        raise BadInput(
            f"the model to check must be module:function or a registered one, not {name!r}; "
            f"{did_you_mean(name, MODELS)}"
        )
    return MODELS[name].fitted(name, shape, "give --input-shape")
