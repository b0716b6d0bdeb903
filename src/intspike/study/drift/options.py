"""What the drift study is asked for, checked before any cell runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from ...errors import BadInput
from .. import custom
from ..asked import check_training, command_line, kept
from ..models import Where, build, find, is_augmented, names_of, split_for, timesteps_of
from .cells import PARTS, STATES, WEIGHTS, Asked, DriftCell, grid

CODECS = ("after-reset", "before-reset")


@dataclass(frozen=True)
class Options:
    """Options of `intspike study drift`; None is the data set's or the model's own default.

    Attributes:
        dataset, model: registered names; model may be module:function.
        parts: of `cells.PARTS`, what is quantized.
        weights, states: of `cells.WEIGHTS` and `cells.STATES`, by which quantizers.
        seeds: how many, from 0; their full-precision networks are each other's noise floor.
        weight_bits, state_bits: at which quantizers of weights and of states are compared.
        clips: ranges of weights, in standard deviations of a channel.
        strength: weight of the distance to the rates of full precision, of networks that are trained near it.
        data: folder or file of the samples, or module:function.
        (the others are those of cells.DriftCell)
    """

    dataset: str = "fashion-mnist"
    model: str | None = None
    parts: tuple[str, ...] = tuple(PARTS)
    weights: tuple[str, ...] = tuple(WEIGHTS)
    states: tuple[str, ...] = tuple(STATES)
    seeds: int = 3
    epochs: int = 4
    weight_bits: tuple[int, ...] = (2, 3, 4, 8)
    clips: tuple[float, ...] = (1.5, 2.5, 5.0)
    state_bits: tuple[int, ...] = (1, 2, 3, 4, 8)
    strength: float = 10.0
    codec: str = "after-reset"
    subset: int | None = None
    timesteps: int | None = None
    batch_size: int = 50
    learning_rate: float = 3e-3
    quantized_learning_rate: float = 2e-3
    augment: bool | None = None
    data: str | None = None

    def __post_init__(self) -> None:
        check_training(self)
        for name, given, known in (
            ("parts", self.parts, PARTS),
            ("weights", self.weights, WEIGHTS),
            ("states", self.states, STATES),
        ):
            if not given or not set(given) <= set(known) or len(set(given)) < len(given):
                raise BadInput(
                    f"--{name} must be some of {', '.join(known)}, each once, not {','.join(given) or 'none'}"
                )
        _check("weight-bits", self.weight_bits, 2, 8, "2,3,4,8")
        _check("state-bits", self.state_bits, 1, 8, "1,2,3,4,8")
        _check("clips", self.clips, 0.01, 1000, "1.5,2.5,5", may_be_none=True)
        if not 0 < self.strength < 1e6:
            raise BadInput(f"--strength must be a positive number below a million, not {self.strength:g}")
        if self.codec not in CODECS:
            raise BadInput(f"--codec must be {' or '.join(CODECS)}, not {self.codec!r}")

    def where(self) -> Where:
        """Where samples and model are found."""
        return find("drift", self.dataset, self.model, self.data)

    def command(self) -> str:
        """The command line that asks for the same."""
        return command_line("intspike study drift", self, ("dataset", "seeds", "epochs"))

    def to_dict(self) -> dict[str, Any]:
        """As a folder keeps them."""
        return kept(self)


def _check(
    name: str, values: Sequence[float], low: float, high: float, example: str, may_be_none: bool = False
) -> None:
    fits = all(low <= v <= high for v in values) and len(set(values)) == len(values)
    if not fits or not (values or may_be_none):
        raise BadInput(
            f"--{name} must be different numbers in {low:g}..{high:g} such as {example}, not "
            f"{','.join(f'{v:g}' for v in values) or 'none'}"
        )


def cells_of(options: Options) -> tuple[list[DriftCell], Where]:
    """The grid, after data and model are loaded and found to fit.

    Raises:
        BadInput: an unknown data set or model, a user's function that cannot be used, a model that does not fit.
        BadData: files that cannot be read.
    """
    where = options.where()
    dataset = split_for("drift", where, options.subset, {"test": 2})
    custom.check_fits(build(where, dataset), dataset, where.model)
    base = DriftCell(
        scheme="fp",
        seed=0,
        **names_of(where),
        epochs=options.epochs,
        timesteps=options.timesteps or timesteps_of(where),
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        quantized_learning_rate=options.quantized_learning_rate,
        stores=options.codec.replace("-", " "),
        subset=options.subset,
        augmented=is_augmented(where, options.augment),
    )
    asked = Asked(**{f.name: getattr(options, f.name) for f in fields(Asked)})
    return grid(base, asked), where
