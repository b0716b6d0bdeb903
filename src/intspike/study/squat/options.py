"""What the SQUAT study is asked for, checked before any cell runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BadInput
from .. import custom
from ..asked import check_training, command_line, kept
from ..splits import few, fingerprint, fold
from .cells import GRADIENTS, WEIGHTS, Setting, SquatCell, grid
from .clipping import check_ranges, clipping_grid
from .pairs import Pairs, check_pairs, pair_grid
from .tasks import LOSSES, Where, build, load, task_of

CODECS = ("after-reset", "before-reset")


@dataclass(frozen=True)
class Options:
    """Options of `intspike study squat`; None is the data set's own default.

    Attributes:
        dataset: registered name; with data or model of the user's, what stands in for the other.
        seeds: how many, from 0.
        bits: of weights and states.
        ranges: the clipping study in place of the paper's grid: uniform states over -r..r thresholds for each r.
        pairs: of weight bits and state bits; where given, these are studied in place of the paper's grid.
        codec: whether states are stored after or before the reset.
        weights: "uniform", or "lq-net" for those of 2..6 bits.
        gradient: where that of trained states is blocked: "block-saturated", "block-ends" or "pass".
        (the others are those of cells.Setting and tasks.Where)
    """

    dataset: str = "fashion-mnist"
    seeds: int = 3
    epochs: int = 4
    bits: tuple[int, ...] = (8, 4, 2)
    pairs: Pairs = ()
    ranges: tuple[float, ...] = ()
    codec: str = "after-reset"
    weights: str = "uniform"
    gradient: str = "block-saturated"
    subset: int | None = None
    folds: int | None = None
    timesteps: int | None = None
    test_timesteps: int | None = None
    batch_size: int = 50
    learning_rate: float = 3e-3
    quantized_learning_rate: float = 2e-3
    beta: float | None = None
    loss: str | None = None
    data: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        check_training(self)
        if self.beta is not None and not 0 <= self.beta <= 1:
            raise BadInput(f"--beta must be in 0..1, not {self.beta:g}")
        if not self.bits or not all(1 <= b <= 8 for b in self.bits) or len(set(self.bits)) != len(self.bits):
            raise BadInput(
                f"--bits must be different numbers in 1..8 such as 8,4,2, not {','.join(map(str, self.bits))}"
            )
        check_pairs(self.pairs)
        check_ranges(self.ranges)
        if self.pairs and self.ranges:
            raise BadInput("--pairs and --ranges are two studies; give one of them")
        if self.codec not in CODECS:
            raise BadInput(f"--codec must be {' or '.join(CODECS)}, not {self.codec!r}")
        if self.weights not in WEIGHTS:
            raise BadInput(f"--weights must be {' or '.join(WEIGHTS)}, not {self.weights!r}")
        if self.gradient.replace("-", " ") not in GRADIENTS:
            known = " or ".join(g.replace(" ", "-") for g in GRADIENTS)
            raise BadInput(f"--gradient must be {known}, not {self.gradient!r}")
        if self.loss is not None and self.loss not in LOSSES:
            raise BadInput(f"--loss must be {', '.join(LOSSES)}, not {self.loss!r}")
        if self.folds is not None and self.seeds > self.folds:
            raise BadInput(
                f"--seeds must be at most --folds ({self.folds}), because seed s is tested on fold s, not {self.seeds}"
            )

    @property
    def stores(self) -> str:
        """The codec as quantizers name it."""
        return self.codec.replace("-", " ")

    def where(self) -> Where:
        """Where samples and model are found."""
        task_of(self.dataset)
        path = self.data is not None and not custom.is_function(self.data)
        return Where(self.dataset, str(Path(str(self.data)).resolve()) if path else self.data, self.model)

    def command(self) -> str:
        """The command line that asks for the same."""
        words: dict[str, Callable[[Any], str]] = {
            "ranges": lambda ranges: ",".join(f"{r:g}" for r in ranges),
            "pairs": lambda pairs: ",".join(f"{w}-{u}" for w, u in pairs),
        }
        return command_line("intspike study squat", self, ("dataset", "seeds", "epochs"), words)

    def to_dict(self) -> dict[str, Any]:
        """As a folder keeps them."""
        return kept(self)


def cells_of(options: Options) -> tuple[list[SquatCell], Where]:
    """The grid, after data and model are loaded and found to fit.

    Raises:
        BadInput: an unknown data set, a user's function that cannot be used, a model that does not fit the data.
        BadData: files that cannot be read.
    """
    where, task = options.where(), task_of(options.dataset)
    whole = load(where)
    dataset = whole if options.folds is None else fold(whole, options.folds, 0, 0)
    if options.subset is not None:
        dataset = few(dataset, options.subset)
    if not len(dataset.test):
        raise BadInput(f"the study must have test samples, but {dataset.name} has none")
    named = options.model or f"the network of {options.dataset}"
    custom.check_fits(build(where, dataset), dataset, named)
    own_data = custom.is_function(options.data)
    timesteps = options.timesteps or task.timesteps
    later = options.test_timesteps or (task.test_timesteps if options.timesteps is None else timesteps)
    setting = Setting(
        dataset=_name(dataset.name) if own_data else options.dataset,
        data=fingerprint(whole),
        model="" if options.model is None else custom.fingerprint(options.model),
        epochs=options.epochs,
        timesteps=timesteps,
        test_timesteps=later,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        quantized_learning_rate=options.quantized_learning_rate,
        beta=options.beta if options.beta is not None or options.model else task.beta,
        loss=options.loss or task.loss,
        subset=options.subset,
        folds=options.folds,
        low=task.low,
        weights=next(w for w in WEIGHTS if w == options.weights),
        gradient=next(g for g in GRADIENTS if g == options.gradient.replace("-", " ")),
    )
    if options.ranges:
        return clipping_grid(setting, options.seeds, options.bits, options.ranges), where
    if options.pairs:
        return pair_grid(setting, options.seeds, options.pairs, options.stores), where
    return grid(setting, options.seeds, options.bits, options.stores), where


def _name(text: str) -> str:
    """A user's data set as a part of names."""
    made = "".join(c if c.isalnum() else "-" for c in text.lower()).strip("-")
    return made or "user"
