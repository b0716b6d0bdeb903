"""What the timestep study is asked for, checked before any cell runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ...errors import BadInput, did_you_mean
from .. import custom
from ..asked import check_training, check_words, command_line, kept
from ..bits import FULL, alike, parse_list
from ..encodings import ENCODINGS, encoded
from ..models import Where, build, find, is_augmented, names_of, split_for
from .cells import TRAININGS, TimestepCell, grid


@dataclass(frozen=True)
class Options:
    """Options of `intspike study timesteps`; None is the data set's own default.

    Attributes:
        dataset, model: registered names; model may be module:function.
        timesteps: each T, increasing.
        train: of "per-T", "fixed-T" and "random-T".
        bits: as `parse_list` takes them; weights and states have as many.
        within: points below the best accuracy that the saturation point and the recommendation allow.
        exit: points of accuracy that early exit may lose, on validation samples.
        ann: also train artificial networks of the same layers, in full precision and at the same bits.
        encode: what samples are turned into: "direct", "rate", "latency" or "delta".
        train_timesteps: each T of the trainings, of those tested; None: all of them.
        (the others are those of cells.TimestepCell)
    """

    dataset: str = "fashion-mnist"
    model: str | None = None
    timesteps: tuple[int, ...] = (1, 2, 5, 10, 20)
    train: tuple[str, ...] = ("per-T", "random-T")
    bits: tuple[str, ...] = (FULL, "8", "4", "2")
    seeds: int = 3
    epochs: int = 4
    within: float = 1.0
    exit: float = 0.1
    ann: bool = True
    subset: int | None = None
    batch_size: int = 50
    learning_rate: float = 3e-3
    quantized_learning_rate: float = 2e-3
    augment: bool | None = None
    data: str | None = None
    train_timesteps: tuple[int, ...] | None = None
    encode: str = "direct"

    def __post_init__(self) -> None:
        check_training(self)
        times = self.timesteps
        if not times or times[0] < 1 or times[-1] > 1000 or any(b <= a for a, b in pairwise(times)):
            raise BadInput(
                "--timesteps must be increasing numbers in 1..1000 such as 1,2,5,10,20, none twice, not "
                f"{','.join(map(str, times)) or 'none'}"
            )
        learned = self.train_timesteps
        if learned is not None and (not learned or list(learned) != [t for t in times if t in learned]):
            raise BadInput(
                f"--train-timesteps must be some of --timesteps ({','.join(map(str, times))}), increasing, none twice, "
                f"not {','.join(map(str, learned)) or 'none'}"
            )
        check_words("train", self.train, TRAININGS)
        assert self.widths  # which checks the bits
        if self.encode not in ENCODINGS:
            raise BadInput(f"--encode has no {self.encode!r}; {did_you_mean(self.encode, ENCODINGS)}")
        if self.encode != "direct" and self.augment:
            raise BadInput(
                f"--augment moves images before they are encoded, which --encode {self.encode} has done; leave one out"
            )
        for name, points in (("within", self.within), ("exit", self.exit)):
            if not 0 <= points <= 100:
                raise BadInput(f"--{name} must be points of accuracy in 0..100, not {points:g}")

    @property
    def widths(self) -> tuple[int | None, ...]:
        """Bits of weights and states, which are equal here; None is full precision."""
        return alike(parse_list(",".join(self.bits)))

    def where(self) -> Where:
        """Where samples and model are found."""
        return find("timestep", self.dataset, self.model, self.data)

    def command(self) -> str:
        """The command line that asks for the same."""
        return command_line("intspike study timesteps", self, ("dataset", "timesteps", "seeds", "epochs"))

    def to_dict(self) -> dict[str, Any]:
        """As a folder keeps them."""
        return kept(self)


def cells_of(options: Options) -> tuple[list[TimestepCell], Where]:
    """The grid, after data and model are loaded and found to fit.

    Raises:
        BadInput: an unknown data set or model, a user's function that cannot be used, a model that does not fit, splits
            without samples.
        BadData: files that cannot be read.
    """
    where = options.where()
    dataset = split_for("timestep", where, options.subset, {"validation": 2, "test": 2})
    one = replace(
        dataset, train=dataset.train.take(2), validation=dataset.validation.take(1), test=dataset.test.take(1)
    )
    spikes = encoded(one, options.encode, options.timesteps[-1])
    custom.check_fits(build(where, spikes), spikes, where.model)
    direct = options.encode == "direct"
    base = TimestepCell(
        trained=(),
        bits=None,
        tested=options.timesteps,
        seed=0,
        **names_of(where),
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        quantized_learning_rate=0.0,
        subset=options.subset,
        augmented=is_augmented(where, options.augment if direct else bool(options.augment)),
        encode=options.encode,
    )
    ann = options.ann and not spikes.train.timed  # frames in time have no artificial rival of one frame
    return grid(
        base,
        options.seeds,
        options.widths,
        options.train,
        options.quantized_learning_rate,
        ann,
        options.train_timesteps,
    ), where
