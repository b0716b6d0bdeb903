"""What `intspike run mnist` is asked for: the timestep study, twice."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import BadInput
from ..asked import command_line
from ..timesteps.options import Options as StudyOptions

README, CODE = "spiking-cnn", "spiking-cnn-if"  # the study's network as it is described, and as it is trained
BITS = ("fp32", "8", "4", "2")


@dataclass(frozen=True)
class Options:
    """Options of `intspike run mnist`.

    Attributes:
        epochs: of each training, in full precision and quantized.
        seeds: how many, from 0.
        timesteps: each T of the tests, increasing.
        train_timesteps: of which each training batch draws one.
        batch_size: images in one training step.
        subset: training images; None is all.
        data: folder or file of MNIST.
        encode: "direct", "rate" or "latency"; artificial rivals and shifted images are for direct encoding alone.
        bits: of weights and membrane potentials; "fp32" is full precision.
        quick: a first look: at most 2,000 training images, 2 epochs and 10 timesteps.
    """

    epochs: int = 3
    seeds: int = 1
    timesteps: tuple[int, ...] = (1, 2, 4, 5, 10, 20)
    train_timesteps: tuple[int, ...] = (1, 2, 4)
    batch_size: int = 50
    subset: int | None = None
    data: str | None = None
    quick: bool = False
    encode: str = "direct"
    bits: tuple[str, ...] = BITS

    def __post_init__(self) -> None:
        wrong = [b for b in self.bits if b not in BITS]
        if wrong:
            raise BadInput(f"--bits of this recipe are {', '.join(BITS)}, but {wrong[0]!r} is none of them")

    def study(self, model: str) -> StudyOptions:
        """The timestep study of one of the two networks; rivals without spikes are trained for the first alone.

        Raises:
            BadInput: options out of range.
        """
        times, learned = self.timesteps, self.train_timesteps
        if self.quick:
            times = tuple(t for t in times if t <= 10) or times[:1]
            learned = tuple(t for t in learned if t in times) or times
        return StudyOptions(
            dataset="mnist",
            model=model,
            timesteps=times,
            train=("random-T" if len(learned) > 1 else "fixed-T",),
            bits=self.bits,
            seeds=self.seeds,
            epochs=min(self.epochs, 2) if self.quick else self.epochs,
            ann=model == README and self.encode == "direct",
            subset=min(self.subset or 2000, 2000) if self.quick else self.subset,
            batch_size=self.batch_size,
            augment=self.encode == "direct",
            encode=self.encode,
            data=self.data,
            train_timesteps=learned,
        )

    def command(self) -> str:
        """The command line that asks for the same."""
        return command_line("intspike run mnist", self)
