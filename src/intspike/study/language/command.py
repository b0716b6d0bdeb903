"""`intspike run tiny-language` and `intspike generate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .. import arguments
from ..bits import alike, parse_bits
from ..terminal import need_torch, print_object, under_bars

console = Console()


def tiny_language(
    epochs: arguments.Epochs = 4,
    seed: Annotated[int, typer.Option(help="of weights and the order of windows")] = 0,
    context: Annotated[int, typer.Option(help="characters of a training window")] = 64,
    width: Annotated[int, typer.Option(help="channels between blocks")] = 128,
    layers: Annotated[int, typer.Option(help="blocks of token mixing and MLP")] = 2,
    spikes: Annotated[int, typer.Option(help="D: the largest output of its neurons")] = 4,
    bits: Annotated[str, typer.Option(help="4 of weights and states")] = "4",
    batch_size: Annotated[int, typer.Option(help="windows per training step")] = 32,
    characters: Annotated[int | None, typer.Option(help="of the text that are used (default: all)")] = None,
    data: Annotated[Path | None, typer.Option(help="a plain text file (default: the embedded text)")] = None,
    out: arguments.Folder = Path("runs/tiny-language"),
    force: arguments.Force = False,
    quick: Annotated[bool, typer.Option("--quick", help="a first look: 20,000 characters, an epoch")] = False,
) -> None:
    """A spiking language model of characters: train, quantize, lower, verify; all integers in the end.

    intspike run tiny-language --quick
    """
    need_torch()
    from .recipe import Options, run

    options = Options(
        epochs, seed, context, width, layers, spikes, alike([parse_bits(bits, full=False)])[0], batch_size, characters,
        str(data.resolve()) if data else None, quick,
    )  # fmt: skip
    summary = under_bars(
        lambda watch: run(options, out, force=force, told=watch.say),
        stopped="the same command resumes from the last finished step",
    )
    console.print(f"integers: {summary['bits_per_token']['integers']:.3f} bits a character", highlight=False)
    console.print(f"Text from it: intspike generate {out / 'model.intspike'} --prompt First", soft_wrap=True)


def generate(
    artifact: arguments.Artifact,
    prompt: Annotated[str, typer.Option(help="the beginning to go on from")],
    length: Annotated[int | None, typer.Option(help="tokens to make (default: up to the context)")] = None,
    temperature: Annotated[float, typer.Option(help="of the draws; 0: always the likeliest")] = 0.8,
    seed: Annotated[int, typer.Option(help="of the draws")] = 0,
    as_json: arguments.Json = False,
) -> None:
    """Text from a stored spiking language model, by the integer engine.

    intspike generate runs/tiny-language/model.intspike --prompt First
    """
    from ... import pretrained
    from ...data import Text, encode_text
    from ...engine.generate import generate as tokens_of
    from ...engine.generate import language_of
    from ...ir.artifact import load

    program = load(pretrained.find(artifact))
    language = language_of(program)
    unit = "byte" if language.unit == "byte" else "character"
    given = encode_text(prompt, language.vocabulary, unit, "the prompt")
    count = max(1, language.context - len(given)) if length is None else length
    made = tokens_of(program, given.tolist(), count, temperature=temperature, seed=seed)
    said = Text(made, language.vocabulary, unit, "").decode(made)
    if as_json:
        found = {"prompt": prompt, "text": said, "tokens": made.tolist()}
        print_object(found)
        return
    sys.stdout.write(f"{prompt}{said}\n")
