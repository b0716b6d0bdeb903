"""Tokens from a program that predicts the next one at every timestep, by the compiled integer engine.

Such a program reads a spike on the channel of one token a timestep and ends in an integrator, whose growth in a
timestep is the logits of the token that follows: integers. What its tokens are is in its notes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..ir import Integrator, Program
from . import native

Ints = NDArray[np.int64]
NOTE = "language"


@dataclass(frozen=True)
class Language:
    """What the tokens of a program are.

    Attributes:
        vocabulary: single characters, or bytes as characters of the same number.
        unit: "character" or "byte".
        context: tokens of the longest sequence it was trained on.
    """

    vocabulary: tuple[str, ...]
    unit: str
    context: int


def with_language(program: Program, language: Language) -> Program:
    """The program with a note that says what its tokens are.

    Raises:
        BadInput: it does not predict tokens, or those of another number.
    """
    _check(program, len(language.vocabulary))
    text = json.dumps(
        {"vocabulary": list(language.vocabulary), "unit": language.unit, "context": language.context}
    )
    return replace(program, notes={**program.notes, NOTE: text})


def language_of(program: Program) -> Language:
    """What the tokens of a program are.

    Raises:
        BadInput: it is no language model.
    """
    try:
        found = json.loads(program.notes[NOTE])
        language = Language(tuple(map(str, found["vocabulary"])), str(found["unit"]), int(found["context"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            "the program must be a language model, whose notes say what its tokens are, but it is none; make one with "
            "intspike run tiny-language"
        ) from error
    _check(program, len(language.vocabulary))
    return language


def _check(program: Program, tokens: int) -> None:
    last = program[program.readout.source.source]
    read, written = program.input.shape, program.shapes[program.readout.name]
    if read != (tokens,) or written != (tokens,) or not isinstance(last, Integrator):
        raise BadInput(
            f"a language model of {tokens} tokens must read and integrate as many channels, but the program reads "
            f"{list(read)} and ends in {type(last).__name__.lower()} {list(written)}"
        )


def logits(program: Program, tokens: Ints) -> Ints:
    """Integer logits [B, T, V] of the tokens that follow each of tokens [B, T]; `program.units` says what one is."""
    language = language_of(program)
    count, length = tokens.shape
    _fits(length, language)
    session = native.Session(program, count, length)
    made = np.zeros((count, length, len(language.vocabulary)), np.int64)
    before = np.zeros((count, len(language.vocabulary)), np.int64)
    for t in range(length):
        session.step(_spikes(tokens[:, t], len(language.vocabulary)))
        assert session.readout is not None
        made[:, t] = session.readout - before
        before = session.readout.copy()
    return made


def bits_per_token(program: Program, windows: Ints, batch: int = 64) -> float:
    """Mean bits for the tokens that follow, over windows [N, T + 1], from the program's integer logits."""
    unit, total = unit_of(program), 0.0
    for at in range(0, len(windows), batch):
        part = windows[at : at + batch]
        z = logits(program, part[:, :-1]) * unit
        z = z - z.max(-1, keepdims=True)
        own = np.take_along_axis(z, part[:, 1:, None], -1)[..., 0]
        total += float((np.log(np.exp(z).sum(-1)) - own).sum())
    return total / (windows[:, 1:].size * math.log(2))


def generate(
    program: Program, prompt: Sequence[int], count: int, *, temperature: float = 0.8, seed: int = 0
) -> Ints:
    """So many tokens [count] that follow a prompt.

    Args:
        temperature: of the softmax that they are drawn from; 0: always the likeliest, ties to the lowest token.
        seed: of the draws; the same one gives the same tokens.

    Raises:
        BadInput: no prompt, a token that is none, or prompt and tokens longer than the trained context.
    """
    language = language_of(program)
    given, size = [int(t) for t in prompt], len(language.vocabulary)
    if not given:
        raise BadInput("a prompt must hold at least one token, but is empty; give a beginning to go on from")
    if any(not 0 <= t < size for t in given):
        raise BadInput(f"a prompt must be made of tokens 0..{size - 1}, not {given}")
    if count < 1:
        raise BadInput(f"the number of tokens to make must be at least 1, not {count}")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise BadInput(f"temperature must be a number from 0 up, not {temperature!r}")
    _fits(len(given) + count, language)
    session, drawn = native.Session(program, 1, language.context), np.random.default_rng(seed)
    unit, before, made = unit_of(program), np.zeros(size, np.int64), list[int]()
    for t in range(len(given) + count - 1):
        session.step(_spikes(np.array([given[t] if t < len(given) else made[-1]]), size))
        assert session.readout is not None
        now = session.readout[0].copy()
        if t >= len(given) - 1:
            made.append(_choose(now - before, unit, temperature, drawn))
        before = now
    return np.array(made, np.int64)


def _choose(z: Ints, unit: float, temperature: float, drawn: np.random.Generator) -> int:
    if temperature == 0:
        return int(z.argmax())
    weight = np.exp((z - z.max()) * (unit / temperature))
    return int(
        np.searchsorted(weight.cumsum(), drawn.random() * weight.sum(), side="right").clip(0, len(z) - 1)
    )


def unit_of(program: Program) -> float:
    """Real value of an integer logit."""
    units: Mapping[str, NDArray[np.float64]] = program.units
    return float(np.ravel(units[program.readout.source.source])[0])


def _spikes(tokens: Ints, size: int) -> Ints:
    made = np.zeros((len(tokens), size), np.int64)
    made[np.arange(len(tokens)), tokens] = 1
    return made


def _fits(length: int, language: Language) -> None:
    if length > language.context:
        raise BadInput(
            f"a sequence must have at most {language.context} tokens, as many as the model was trained on, not "
            f"{length}; shorten the prompt, or make fewer tokens"
        )
