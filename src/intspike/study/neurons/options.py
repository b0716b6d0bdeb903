"""What the neuron study is asked for, checked before any cell runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import BadInput
from .. import custom
from ..asked import check_training, check_words, command_line, kept
from ..bits import FULL, alike, parse_list
from ..models import CONTEXT, LANGUAGE, Where, build, find, is_augmented, names_of, split_for, timesteps_of
from .cells import BASELINES, KINDS, NeuronCell, grid


@dataclass(frozen=True)
class Options:
    """Options of `intspike study neurons`; None is the data set's own default.

    Attributes:
        dataset, model: registered names; model may be module:function.
        neurons: of `cells.KINDS`.
        spikes: D of integer neurons.
        timesteps: T of integer neurons; None: 1 for static samples, else the network's own. Neurons that send one spike
            get T times D for static samples, so that all have as many substeps.
        bits: as `parse_list` takes them; weights and states have as many.
        beta: leak that neurons start from; None: 0.5, and 0.9 where they must remember a text.
        baselines: whether `cells.BASELINES` of the data set are trained, too.
        (the others are those of cells.NeuronCell)
    """

    dataset: str = "fashion-mnist"
    model: str | None = None
    neurons: tuple[str, ...] = tuple(KINDS)
    spikes: int = 4
    timesteps: int | None = None
    bits: tuple[str, ...] = (FULL, "4")
    beta: float | None = None
    seeds: int = 3
    epochs: int = 4
    subset: int | None = None
    batch_size: int = 50
    learning_rate: float = 3e-3
    quantized_learning_rate: float = 2e-3
    augment: bool | None = None
    baselines: bool = True
    data: str | None = None

    def __post_init__(self) -> None:
        check_training(self)
        check_words("neurons", self.neurons, tuple(KINDS))
        assert self.widths  # which checks the bits
        if self.dataset == LANGUAGE and custom.is_function(self.data):
            raise BadInput(
                f"--data of {LANGUAGE} must be a plain text file, not {self.data}; write its text to a file"
            )
        if self.beta is not None and not 0 <= self.beta <= 1:
            raise BadInput(f"--beta must be a number in 0..1, not {self.beta:g}")

    @property
    def widths(self) -> tuple[int | None, ...]:
        """Bits of weights and states, which are equal here; None is full precision."""
        return alike(parse_list(",".join(self.bits)))

    def where(self) -> Where:
        """Where samples and model are found."""
        return find("neuron", self.dataset, self.model, self.data)

    def command(self) -> str:
        """The command line that asks for the same."""
        return command_line("intspike study neurons", self, ("dataset", "spikes", "seeds", "epochs"))

    def to_dict(self) -> dict[str, Any]:
        """As a folder keeps them."""
        return kept(self)


def cells_of(options: Options) -> tuple[list[NeuronCell], Where]:
    """The grid, after data and model are loaded and found to fit.

    Raises:
        BadInput: an unknown data set or model, a user's function that cannot be used, a model that does not fit, a
            split of less than two samples.
        BadData: files that cannot be read.
    """
    where = options.where()
    least = {"test": 2} if where.dataset == LANGUAGE else {"validation": 2, "test": 2}
    dataset = split_for("neuron", where, options.subset, least)
    custom.check_fits(build(where, dataset), dataset, where.model)
    if where.dataset == LANGUAGE and (options.timesteps or 1) > CONTEXT:
        raise BadInput(
            f"--timesteps must be in 1..{CONTEXT}, the tokens of a window, not {options.timesteps}"
        )
    integer = options.timesteps or (timesteps_of(where) if dataset.train.timed else 1)
    base = NeuronCell(
        neuron="",
        spikes=options.spikes,
        timesteps=integer,
        bits=None,
        beta=options.beta if options.beta is not None else 0.9 if where.dataset == LANGUAGE else 0.5,
        seed=0,
        **names_of(where),
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        quantized_learning_rate=0.0,
        subset=options.subset,
        augmented=is_augmented(where, options.augment),
    )
    ordinary = integer if dataset.train.timed else integer * options.spikes
    neurons = options.neurons
    if base.language and "LIF" in neurons:  # leaks of a text's memory are learned, so both are one
        neurons = tuple(n for n in neurons if n != "PLIF")
    baselines = BASELINES.get(base.dataset, {}) if options.baselines else {}
    return grid(
        base, options.seeds, neurons, options.widths, options.quantized_learning_rate, ordinary, baselines
    ), where
