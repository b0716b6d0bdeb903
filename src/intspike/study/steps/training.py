"""Trains one network: in full precision and then, from there, at few bits; lowers and verifies it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ... import train
from ...data import Dataset
from ...errors import BadInput
from ...ir.artifact import save
from ...lower import lower, verify
from ...measure import size_bits, wilson
from ...nn import Network, quantize
from ...quant import QuantConfig
from ...train.checkpoint import OTHER
from ...train.history import history_to_dict
from ...train.launch import PRECISIONS
from ..asked import check_training
from ..bits import AFTER, BEFORE, config_of, parse_bits, word_of
from ..compare.network import built, load_parameters
from ..custom import check_fits
from ..folder import clear_disk_errors, write_json
from ..samples import read_data
from ..trained_for import chosen, noted
from ..watch import Watch

FULL = "full-precision.safetensors"
QUANTIZED = "quantized.safetensors"
PROGRAM = "model.intspike"
RECORD = "train.json"
VERIFIED = 16  # test samples whose every spike and stored code is compared


@dataclass(frozen=True)
class Options:
    """What a training is asked for.

    Attributes:
        model: a model of intspike, or module:function.
        data: as `read_data` takes it.
        bits: of weights and membrane potentials, as `parse_bits` takes them.
        start: checkpoint of the network in full precision from which quantized training starts; None: it is trained.
        epochs: of each training.
        timesteps: T; None: the data set's, 25 where it is static.
        batch_size, learning_rate, seed, devices, precision: as `train.fit` takes them.
        codec: membrane potentials are stored after-reset or before-reset.
    """

    model: str
    data: str
    bits: str = "4-4"
    start: Path | None = None
    epochs: int = 5
    timesteps: int | None = None
    batch_size: int = 50
    learning_rate: float | None = None
    seed: int = 0
    devices: int = 1
    precision: str = "32-true"
    codec: str = "after-reset"

    def __post_init__(self) -> None:
        check_training(self)
        if self.devices < 1:
            raise BadInput(f"--devices must be at least 1, not {self.devices}")
        if self.precision not in PRECISIONS:
            raise BadInput(f"--precision must be one of {', '.join(PRECISIONS)}, not {self.precision!r}")
        object.__setattr__(self, "bits", word_of(parse_bits(self.bits)))  # one spelling in train.json
        if self.config is None and self.start is not None:
            raise BadInput("--start is the network that quantized training starts from, but --bits is fp32")

    @property
    def config(self) -> QuantConfig | None:
        """How the network is quantized; None: it is not."""
        bits = parse_bits(self.bits)
        return None if bits is None else config_of(bits, self.codec)


def run(options: Options, out: Path, *, force: bool = False, watch: Watch | None = None) -> dict[str, Any]:
    """Train into a folder; a training that was stopped goes on from its last epoch. Returns what train.json holds.

    Raises:
        Divergence: an engine disagrees with torch in any spike or stored code.
        BadInput, BadData: options, model, data or folder cannot be used, or checkpoints there are of another training.
    """
    told = watch or Watch()
    dataset = read_data(options.data)
    timesteps = chosen(options.timesteps, dataset.train.timesteps)
    _check_devices(options, len(dataset.train))
    torch.manual_seed(options.seed)
    net = built(options.model, dataset)
    check_fits(net, dataset, options.model)
    config = options.config
    if config is not None:
        _check_quantizes(net, options, config)
    if not force and (out / PROGRAM).exists() and not (out / RECORD).exists():
        raise BadInput(
            f"--out {out} must be new or hold the same training, but holds a {PROGRAM} of something else; choose "
            "another --out, or --force to replace it"
        )
    with clear_disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        if force:
            for name in (FULL, QUANTIZED, PROGRAM, RECORD):
                (out / name).unlink(missing_ok=True)
        record: dict[str, Any] = {
            **asdict(options),
            "start": None if options.start is None else options.start.name,
        }
        record |= {"timesteps": timesteps, "data_source": dataset.source}
        if not any((out / name).exists() for name in (FULL, QUANTIZED)):
            write_json(out / RECORD, record)  # of a training that is stopped, too, the options are known
        if options.start is None:
            net = _fit(net, dataset, options, timesteps, out / FULL, told, record)
        else:
            load_parameters(net, options.start, options.model)
        if config is not None:
            few = quantize(net, config)
            few = _fit(few, dataset, options, timesteps, out / QUANTIZED, told, record)
            _store(few, dataset, timesteps, out / PROGRAM, record)
        write_json(out / RECORD, record)
    return record


def _check_devices(options: Options, samples: int) -> None:
    """Each process takes an equal part of a batch, which holds no more than all samples."""
    batch = min(options.batch_size, samples)
    if batch % options.devices:
        raise BadInput(
            f"--batch-size must divide evenly over --devices, but {batch} samples do not over {options.devices}; "
            "choose another of the two"
        )


def _check_quantizes(net: Network, options: Options, config: QuantConfig) -> None:
    """Refuse before hours of training what could not be quantized after them."""
    try:
        quantize(net, config)
    except BadInput as e:
        other = BEFORE if options.codec == AFTER else AFTER
        turned = replace(options, codec=other).config
        assert turned is not None
        try:
            quantize(net, turned)
        except BadInput:
            other = ""
        repair = f": --codec {other}" if other else ""
        raise BadInput(
            f"{options.model} must be one that --bits {options.bits} quantizes, but {e}{repair}"
        ) from e


def _changed(out: Path, record: Mapping[str, Any]) -> str:
    """Which options an earlier training in the folder had other values of, as the command line spells them."""
    try:
        before = json.loads((out / RECORD).read_text())
    except (OSError, ValueError):
        before = {}
    words = [
        f"--{f.name.replace('_', '-')} was {_given(before[f.name])} and is {_given(record[f.name])}"
        for f in fields(Options)
        if f.name in before and before[f.name] != record[f.name]
    ]
    return ", ".join(words) or "what --model and --data make was another network or other samples"


def _given(value: object) -> str:
    return "not given" if value is None else str(value)


def _fit(
    net: Network,
    dataset: Dataset,
    options: Options,
    timesteps: int,
    checkpoint: Path,
    watch: Watch,
    record: dict[str, Any],
) -> Network:
    history: list[train.Epoch] = []
    batches = max(
        1, options.epochs * (len(dataset.train) // min(options.batch_size, max(1, len(dataset.train))))
    )
    tell = watch.start(f"train {checkpoint.stem}", batches)
    fit = partial(
        train.fit,
        net,
        dataset,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        timesteps=timesteps,
        seed=options.seed,
        checkpoint=checkpoint,
        devices=options.devices,
        precision=options.precision,
        progress=_teller(tell),
        history=history,
    )
    try:
        made = fit()
    except BadInput as e:
        if OTHER not in str(e):
            raise
        folder = checkpoint.parent
        raise BadInput(
            f"--out {folder} must be new or hold the same training, but there {_changed(folder, record)}; give --force "
            "to start over, or another --out"
        ) from e
    correct = train.correct_on(made, dataset.test, timesteps=timesteps)
    record[checkpoint.stem] = {
        "test": wilson(correct, len(dataset.test)).to_dict() if len(dataset.test) else None,
        "history": history_to_dict(history),
    }
    return made


def _teller(tell: Callable[[int, str], None]) -> Callable[[train.Progress], None]:
    def progress(p: train.Progress) -> None:
        after = "" if p.last is None else f", validation {p.last.validation:.1%} after epoch {p.last.epoch}"
        tell(p.done, f"loss {p.loss:.3f}{after}")

    return progress


def _store(net: Network, dataset: Dataset, timesteps: int, path: Path, record: dict[str, Any]) -> None:
    """The program, after every engine here agreed with torch on some test samples."""
    program = noted(lower(net, input_shape=dataset.frame), timesteps)
    if len(dataset.test):
        compared = verify(net, program, dataset.test, timesteps=timesteps, samples=VERIFIED)
        record["exact"] = [asdict(c) for c in compared]
    save(program, path)
    size = size_bits(program)
    record["size_bits"] = {"total": size.total, **size.parts, "float32": size.float32}
