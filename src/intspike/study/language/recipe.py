"""`intspike run tiny-language`: a spiking language model of characters, few bits, all integers in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import data, train
from ...data import Text
from ...engine.generate import Language, bits_per_token, generate, with_language
from ...errors import BadInput
from ...ir.artifact import save
from ...lower import lower_with_report, verify
from ...measure import size_bits
from ...models import spiking_language
from ...nn import Network, quantize
from ...quant import QuantConfig, ThresholdCentred, weight_of
from ...train import Epoch
from ...train.history import history_to_dict
from ..folder import RunFolder, clear_disk_errors, write_json, write_text
from ..trained_for import noted

FULL = "fp32"
QUICK_CHARACTERS = 20_000
BY_DEFINITION, BY_NATIVE = 2, 32  # windows verified by the reference engine, and by compiled code
MEASURED = 200  # held-out windows that bits a token are measured on
PROMPT = "First"
LOWEST, HIGHEST = -16.0, 2.5  # ends of the levels, in first thresholds


@dataclass(frozen=True)
class Options:
    """Options of `intspike run tiny-language`.

    Attributes:
        epochs: of each training.
        context: tokens of a training window, the longest sequence of the model.
        width, layers, spikes: of `models.spiking_language`.
        bits: of weights and membrane potentials.
        characters: of the text that are used; None: all.
        data: a plain text file; None: the embedded text.
        quick: a first look.
    """

    epochs: int = 4
    seed: int = 0
    context: int = 64
    width: int = 128
    layers: int = 2
    spikes: int = 4
    bits: int = 4
    batch_size: int = 32
    characters: int | None = None
    data: str | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("epochs", self.epochs, 1, 1000),
            ("context", self.context, 2, 1024),
            ("width", self.width, 1, 4096),
            ("layers", self.layers, 1, 16),
            ("spikes", self.spikes, 1, 15),
            ("bits", self.bits, 1, 8),
            ("batch-size", self.batch_size, 1, 10000),
            ("characters", self.characters, 1, 10**9),
        ):
            if value is not None and not low <= value <= high:
                raise BadInput(f"--{name} must be in {low}..{high}, not {value}")

    @property
    def quantized(self) -> str:
        """Name of the quantized step."""
        return f"qat-w{self.bits}u{self.bits}"


def text_of(options: Options) -> Text:
    """The text that is learned."""
    whole = data.shakespeare() if options.data is None else data.read_text(options.data)
    most = options.characters or (QUICK_CHARACTERS if options.quick else len(whole))
    if most >= len(whole):
        return whole
    return replace(whole, tokens=whole.tokens[:most], source=f"{whole.source}; the first {most:,}")


def run(
    options: Options, out: Path, *, force: bool = False, told: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Train, quantize, train again, lower, verify, write; a run that was stopped goes on behind its last step.

    Returns:
        The content of summary.json.

    Raises:
        BadInput, BadData: a text or a folder that cannot be used.
        Divergence: an engine disagrees with torch.
    """
    tell = told or (lambda line: None)
    text = text_of(options)
    with clear_disk_errors(out):
        return _run(options, text, RunFolder(out, asdict(options), force), out, tell)


def _run(
    options: Options, text: Text, folder: RunFolder, out: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    dataset, loss, held = train.next_tokens(text, options.context)
    held = held[:MEASURED]
    epochs = 1 if options.quick else options.epochs
    torch.manual_seed(options.seed)
    net = spiking_language(len(text.vocabulary), width=options.width, layers=options.layers, D=options.spikes)
    records: dict[str, dict[str, Any]] = {}
    for step in (FULL, options.quantized):
        if step != FULL:
            net = quantize(net, few_bits(options.bits))
        known = folder.done(step)
        if known is not None:
            net.load_state_dict(folder.tensors(step))
            net.eval()
        else:
            net, known = _trained(net, dataset, loss, held, options, epochs)
            folder.finish(step, known, net.state_dict())
        records[step] = known
        tell(f"{step}: {known['bits_per_token']:.3f} bits a character")
    program, report = lower_with_report(net, input_shape=dataset.frame)
    compared = verify(
        net,
        program,
        dataset.train,
        timesteps=options.context,
        samples=BY_DEFINITION,
        native_samples=BY_NATIVE,
    )
    language = Language(text.vocabulary, text.unit, options.context)
    program = noted(with_language(program, language), options.context)
    integers = bits_per_token(program, held)
    prompt = [k for c in PROMPT if (k := _index(text, c)) is not None][: options.context // 2] or [0]
    said = text.decode(generate(program, prompt, options.context - len(prompt), seed=options.seed))
    save(program, out / "model.intspike")
    write_text(out / "program.txt", str(program))
    write_text(out / "sample.txt", text.decode(np.array(prompt)) + said + "\n")
    summary = {
        "text": text.source,
        "characters": len(text),
        "vocabulary": len(text.vocabulary),
        "parameters": sum(p.numel() for p in net.parameters()),
        "bits_per_token": {name: r["bits_per_token"] for name, r in records.items()} | {"integers": integers},
        "exact": [asdict(c) for c in compared],
        "size_bits": size_bits(program, report.packing).total,
        "seconds": {name: r["seconds"] for name, r in records.items()},
        "held_out_windows": len(held),
        "options": asdict(options),
    }
    write_json(out / "summary.json", summary)
    return summary


def few_bits(bits: int) -> QuantConfig:
    """How the model is quantized.

    The membranes of neurons that mix characters lie far below rest, so the levels must reach there; they are finest at
    the threshold, where they decide spikes.
    """
    return QuantConfig(weight_of(bits), ThresholdCentred(bits, spacing="compander", ends=(LOWEST, HIGHEST)))


def _trained(
    net: Network, dataset: data.Dataset, loss: train.NextToken, held: Any, options: Options, epochs: int
) -> tuple[Network, dict[str, Any]]:
    history: list[Epoch] = []
    began = time.perf_counter()
    net = train.fit(
        net,
        dataset,
        epochs=epochs,
        timesteps=options.context,
        batch_size=options.batch_size,
        loss=loss,
        seed=options.seed,
        history=history,
    )
    return net, {
        "bits_per_token": train.bits_per_token(net, held),
        "history": history_to_dict(history),
        "seconds": round(time.perf_counter() - began, 2),
    }


def _index(text: Text, character: str) -> int | None:
    return text.vocabulary.index(character) if character in text.vocabulary else None
