"""Options that the commands of several studies have: one name and one description each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

Seeds = Annotated[int, Option(help="how many, from 0")]
Epochs = Annotated[int, Option(help="of each training")]
Bits = Annotated[str, Option(help="fp32 and numbers of bits of weights and states")]
Codec = Annotated[str, Option(help="states are stored after-reset or before-reset")]
Subset = Annotated[int | None, Option(help="training samples (default: all)")]
BatchSize = Annotated[int, Option(help="samples per training step")]
LearningRate = Annotated[float, Option(help="in full precision")]
QuantizedLearningRate = Annotated[float, Option(help="in quantized training")]
Augment = Annotated[
    bool | None,
    Option("--augment/--no-augment", help="also other crops and, but for digits, mirror images (CIFAR)"),
]
Data = Annotated[str | None, Option(help="folder of the samples, or module:function")]
Jobs = Annotated[int, Option(help="cells at once on this machine")]
Backend = Annotated[str, Option(help="loky (processes), dask or ray")]
Address = Annotated[str | None, Option(help="of a Dask or Ray cluster")]
Out = Annotated[Path, Option(help="the study's folder")]
Tables = Annotated[Path | None, Option(help="folder of tables and report (default: that of --out)")]
RetryFailed = Annotated[bool, Option("--retry-failed", help="compute failed cells again")]
Wait = Annotated[bool, Option("--wait", help="wait for another study on this folder")]
