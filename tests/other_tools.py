"""Other tools as judges of imports: their modules, and numbers on which their sums have no rounding."""

from __future__ import annotations

import importlib
import logging
import warnings
from typing import Any

import pytest
import torch


def tool(name: str) -> Any:
    """A module of another tool; its warnings while it is imported are its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = logging.root.level
        try:
            return importlib.import_module(name)
        except ImportError:
            pytest.skip(f"{name} is not installed")
        finally:
            logging.root.setLevel(level)


def exact(shape: tuple[int, ...], random: torch.Generator) -> torch.Tensor:
    """Numbers k / 4, whose sums of products float32 holds exactly, in any order."""
    return torch.randint(-8, 13, shape, generator=random) / 4
