"""Arguments and options that several commands have: one name, one description and one default each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

DATASET = "NAME, NAME=PATH, module:function, or a path"
NETWORK = "a network of intspike, such as squat-fmnist, or module:function"

# what a command reads
Artifact = Annotated[Path, Argument(help="a stored program, or the name of one that travels with intspike")]
Network = Annotated[
    Path, Argument(help="a stored program, the name of one that travels with intspike, or a checkpoint")
]
DataSet = Annotated[str, Option(help=DATASET)]
Samples = Annotated[int | None, Option(help="test samples (default: all)")]
Timesteps = Annotated[int | None, Option(help="T (default: the data set's, else 25)")]
RunTimesteps = Annotated[
    int | None, Option(help="T (default: the data set's, else that of its training, else 25)")
]
FixedTimesteps = Annotated[int, Option(help="timesteps T")]
CheckpointModel = Annotated[str | None, Option(help=f"of a checkpoint: {NETWORK}")]
Timed = Annotated[bool, Option("--timed", help="every timestep brings another frame")]
BITS = "4-2 of weights and states, 4 of both, or fp32"
Bits = Annotated[str, Option(help=BITS)]
CodeBits = Annotated[str, Option(help="4-2 of weights and states, 4 of both")]
Codec = Annotated[str, Option(help="states are stored after-reset or before-reset")]

# what it writes
Folder = Annotated[Path, Option(help="output folder")]
Force = Annotated[bool, Option("--force", help="replace what is there")]
Json = Annotated[bool, Option("--json", help="print one JSON object")]
MaxEmd = Annotated[float | None, Option(help="fail where the pooled EMD is above this")]
MaxPaired = Annotated[float | None, Option(help="fail where the pooled paired distance is above this")]
MaxNewlyDead = Annotated[str | None, Option(help="fail where more neurons, or more % of them, fell silent")]

# trainings
Seed = Annotated[int, Option(help="of weights, sample order and splits")]
Epochs = Annotated[int, Option(help="of each training")]
BatchSize = Annotated[int, Option(help="samples per training step")]
Subset = Annotated[int | None, Option(help="training samples (default: all)")]
LearningRate = Annotated[float, Option(help="in full precision")]
QuantizedLearningRate = Annotated[float, Option(help="in quantized training")]
Augment = Annotated[
    bool | None,
    Option("--augment/--no-augment", help="also other crops and, but for digits, mirror images (CIFAR)"),
]

# studies
Seeds = Annotated[int, Option(help="how many, from 0")]
SeveralBits = Annotated[str, Option(help="4 of weights and states, fp32, with commas")]
Data = Annotated[str | None, Option(help=f"{DATASET}; a path alone is that of --dataset")]
Model = Annotated[str | None, Option(help=f"{NETWORK} (default: the data set's)")]
OwnModel = Annotated[str | None, Option(help="your own, module:function (default: the data set's)")]
Jobs = Annotated[int, Option(help="cells at once on this machine")]
Backend = Annotated[str, Option(help="loky (processes), dask or ray")]
Address = Annotated[str | None, Option(help="of a Dask or Ray cluster")]
Out = Annotated[Path, Option(help="the study's folder")]
Tables = Annotated[Path | None, Option(help="folder of tables and report (default: that of --out)")]
Resume = Annotated[bool, Option("--resume", help="take the options of the folder's last study")]
RetryFailed = Annotated[bool, Option("--retry-failed", help="compute failed cells again")]
Wait = Annotated[bool, Option("--wait", help="wait for another study on this folder")]


def data_of(dataset: str, data: str | None) -> tuple[str, str | None]:
    """`--dataset` and `--data` of a study, whose `--data` is understood as in every other command.

    Returns:
        The data set's name, and the path or module:function of `--data`: NAME and NAME=PATH name the data set, too.
    """
    from .samples import READERS

    if data is None:
        return dataset, None
    name, equals, path = data.partition("=")
    if name in READERS and (equals or not Path(data).exists()):
        return name, path if equals else None
    return dataset, data
