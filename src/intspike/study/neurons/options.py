"""What the neuron study is asked for, checked before any cell runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import BadInput, did_you_mean
from .. import custom
from ..asked import command_line, kept
from ..models import DATASETS, MODELS, Where, build, find, load
from ..splits import few, fingerprint
from .cells import KINDS, NeuronCell, grid

FULL = "fp32"


@dataclass(frozen=True)
class Options:
    """Options of `intspike study neurons`; None is the data set's own default.

    Attributes:
        dataset, model: registered names; model may be module:function.
        neurons: of `cells.KINDS`.
        spikes: D of integer neurons.
        timesteps: T of integer neurons; None: 1 for static samples, else the network's own. Neurons that send one spike
            get T times D for static samples, so that all have as many substeps.
        bits: "fp32", or a number of weight and state bits.
        (the others are those of cells.NeuronCell)
    """

    dataset: str = "fashion-mnist"
    model: str | None = None
    neurons: tuple[str, ...] = tuple(KINDS)
    spikes: int = 4
    timesteps: int | None = None
    bits: tuple[str, ...] = (FULL, "4")
    beta: float = 0.5
    seeds: int = 3
    epochs: int = 4
    subset: int | None = None
    batch_size: int = 50
    learning_rate: float = 3e-3
    quantized_learning_rate: float = 2e-3
    augment: bool | None = None
    data: str | None = None

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("seeds", self.seeds, 1, 1000),
            ("epochs", self.epochs, 1, 10000),
            ("batch-size", self.batch_size, 1, 10000),
            ("subset", self.subset, 1, 10**9),
            ("spikes", self.spikes, 1, 15),
            ("timesteps", self.timesteps, 1, 1000),
        ):
            if value is not None and not low <= value <= high:
                raise BadInput(f"--{name} must be in {low}..{high}, not {value}")
        for words, known, option in (
            (self.neurons, tuple(KINDS), "neurons"),
            (self.bits, (FULL, *map(str, range(1, 9))), "bits"),
        ):
            wrong = [w for w in words if w not in known]
            if wrong:
                raise BadInput(f"--{option} has no {wrong[0]!r}; {did_you_mean(wrong[0], known)}")
            if not words or len(set(words)) < len(words):
                raise BadInput(
                    f"--{option} must be different words, at least one, not {','.join(words) or 'none'}"
                )
        if not 0 <= self.beta <= 1:
            raise BadInput(f"--beta must be a number in 0..1, not {self.beta:g}")
        for name, rate in (
            ("learning-rate", self.learning_rate),
            ("quantized-learning-rate", self.quantized_learning_rate),
        ):
            if not 0 < rate < 100:
                raise BadInput(f"--{name} must be a positive number below 100, not {rate:g}")

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
    whole = load(where)
    dataset = whole if options.subset is None else few(whole, options.subset)
    for name in ("validation", "test"):
        if len(getattr(dataset, name)) < 2:
            raise BadInput(
                f"the neuron study must have at least two {name} samples, but {dataset.name} has "
                f"{len(getattr(dataset, name))}; give a larger data set or --subset"
            )
    custom.check_fits(build(where, dataset), dataset, where.model)
    own_model, own_data = custom.is_function(where.model), custom.is_function(where.data)
    known = DATASETS.get(where.dataset)
    if options.augment is None and not own_data:
        augmented = known is not None and known.augmented
    else:
        augmented = bool(options.augment)
    timesteps = options.timesteps
    if timesteps is None and dataset.train.timed:
        own = 25 if where.model not in MODELS else MODELS[where.model].timesteps
        timesteps = known.timesteps or own if known is not None else own
    integer = timesteps or 1
    base = NeuronCell(
        neuron="",
        spikes=options.spikes,
        timesteps=integer,
        bits=None,
        beta=options.beta,
        seed=0,
        dataset="user" if own_data else options.dataset,
        data=fingerprint(whole),
        model=custom.fingerprint(where.model) if own_model else where.model,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        quantized_learning_rate=0.0,
        subset=options.subset,
        augmented=augmented,
    )
    bits = [None if b == FULL else int(b) for b in options.bits]
    ordinary = integer if dataset.train.timed else integer * options.spikes
    return grid(base, options.seeds, options.neurons, bits, options.quantized_learning_rate, ordinary), where
