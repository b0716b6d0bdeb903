"""`module:function` of the command line: the user's own model or data, checked before anything runs."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..data import Dataset
from ..errors import BadInput, IntspikeError, did_you_mean
from ..nn import Network
from ..train.fits import check_fits as fits
from .grid.worker import one_line

_FORM = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_function(text: str | None) -> bool:
    """Whether an option has the form `module:function`."""
    return text is not None and _FORM.fullmatch(text) is not None


def imported(option: str, text: str) -> Callable[[], Any]:
    """The function that `module:function` names; modules of the current folder are found.

    Raises:
        BadInput: no such form, module or function, or an error while the module is imported.
    """
    if not is_function(text):
        raise BadInput(f"{option} must be module:function, such as my_module:build, not {text!r}")
    module_name, _, name = text.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as e:
        if e.name is None or not (module_name == e.name or module_name.startswith(f"{e.name}.")):
            raise BadInput(
                f"{option}: the module {module_name!r} needs {e.name!r}, which is not installed"
            ) from e
        raise BadInput(
            f"{option} must name a module that Python finds from {here}, but there is no {module_name!r}; give the "
            "name of a file there without .py, or install its package"
        ) from None
    except Exception as e:  # whatever the user's module does
        raise BadInput(f"{option}: importing {module_name!r} failed with {one_line(e)}") from e
    found = getattr(module, name, None)
    if found is None:
        known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise BadInput(f"{option}: the module {module_name!r} has no {name!r}; {did_you_mean(name, known)}")
    if not callable(found):
        raise BadInput(f"{option}: {text} must be a function without arguments, not {type(found).__name__}")
    return found


def called(option: str, text: str) -> Any:
    """What the function returns; an error of it becomes one line."""
    function = imported(option, text)
    try:
        return function()
    except IntspikeError:
        raise
    except Exception as e:
        raise BadInput(f"{option}: {text}() failed with {one_line(e)}; it is called without arguments") from e


def user_data(text: str) -> Dataset:
    """The user's data set."""
    made = called("--data", text)
    if not isinstance(made, Dataset):
        raise BadInput(f"--data: {text}() must return an intspike.data.Dataset, not {type(made).__name__}")
    return made


def user_model(text: str, option: str = "--model") -> torch.nn.Module:
    """The user's model, new at each call; errors name the option."""
    made = called(option, text)
    if not isinstance(made, torch.nn.Module):
        raise BadInput(f"{option}: {text}() must return a torch.nn.Module, not {type(made).__name__}")
    return made


def fingerprint(text: str) -> str:
    """The function's name and a hash of its module's source: results of an edited module are others."""
    function = imported("--model", text)
    source = inspect.getsourcefile(inspect.unwrap(function))
    content = Path(source).read_bytes() if source and os.path.exists(source) else b""  # noqa: PTH110
    return f"{text} {hashlib.sha256(content).hexdigest()[:12]}"


def check_fits(net: Network, data: Dataset, name: str) -> None:
    """Run two samples for one timestep.

    Raises:
        BadInput: the model cannot read the data, or its outputs are not the classes.
    """
    high = net.input.high
    if high < data.high:
        raise BadInput(
            f"the input of {name} must take codes up to {data.high}, the largest of {data.name}, but takes {high}; "
            f"begin the model with nn.Input(scale, high={data.high})"
        )
    fits(net, data, name)
