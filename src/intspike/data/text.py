"""Text as tokens, in bytes or characters.

A token is one of a vocabulary; as a network's input it is a spike on the channel of that token, one timestep a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..encode.checks import whole
from ..errors import BadData, BadInput
from .checks import new_frames
from .dataset import Dataset, Split

Unit = Literal["character", "byte"]
MOST_BYTES = 1 << 28  # of one file
MOST_TOKENS = 1 << 12  # of a vocabulary


@dataclass(frozen=True, eq=False)
class Text:
    """A text as tokens.

    Attributes:
        tokens: int64 [N], indices into the vocabulary.
        vocabulary: what each token is, in order: single characters, or bytes as characters of the same number.
        unit: "character" or "byte".
        source: where it is from, in a sentence.
    """

    tokens: NDArray[np.int64]
    vocabulary: tuple[str, ...]
    unit: Unit
    source: str

    def __len__(self) -> int:
        return len(self.tokens)

    def decode(self, tokens: NDArray[np.integer]) -> str:
        """Tokens as text; bytes that are no UTF-8 become the replacement character."""
        joined = "".join(self.vocabulary[int(t)] for t in tokens)
        return joined if self.unit == "character" else joined.encode("latin-1").decode("utf-8", "replace")

    def windows(self, length: int) -> NDArray[np.int64]:
        """The text in windows [N, length + 1] that share one token with the next: inputs are all but the last, targets
        all but the first; what is left over at the end is dropped.

        Raises:
            BadInput: the text is shorter than one window.
        """
        length = whole("length", length, 1)
        count = (len(self) - 1) // length
        if count < 1:
            raise BadInput(
                f"a window of {length} tokens must fit into the text with one to predict, but it has {len(self)}; give "
                "a longer text or a shorter window"
            )
        return np.lib.stride_tricks.sliding_window_view(self.tokens, length + 1)[
            : count * length : length
        ].copy()


def encode_text(
    text: str, vocabulary: Sequence[str], unit: Unit = "character", name: str = "the text"
) -> NDArray[np.int64]:
    """Tokens [N] of a text; in bytes, those of its UTF-8.

    Raises:
        BadInput: the text is empty, or holds what the vocabulary does not, with its place.
    """
    return tokens_of(text if unit == "character" else text.encode().decode("latin-1"), vocabulary, unit, name)


def tokens_of(units: str, vocabulary: Sequence[str], unit: Unit, name: str) -> NDArray[np.int64]:
    """Tokens [N] of characters, or of bytes as characters; raises as `encode_text`."""
    if not units:
        raise BadInput(f"{name} must hold at least one {unit}, but is empty")
    known = {token: k for k, token in enumerate(vocabulary)}
    for place, token in enumerate(units):
        if token not in known:
            what = repr(token) if unit == "character" else f"0x{ord(token):02x}"
            raise BadInput(
                f"{name} must be made of the {len(known)} {unit}s of the vocabulary, but holds {what} at position "
                f"{place}; leave it out, or train with a vocabulary that has it"
            )
    return np.array([known[token] for token in units], np.int64)


def read_text(
    path: Path | str,
    *,
    unit: Unit = "character",
    encoding: str = "utf-8",
    vocabulary: Sequence[str] | None = None,
) -> Text:
    """A plain file as tokens.

    Args:
        unit: "character", or "byte", which fits every file and needs no encoding.
        encoding: of characters.
        vocabulary: None: what occurs, in order.

    Raises:
        BadData: no file, an empty one, one that is too large, or in another encoding.
        BadInput: an unknown unit, encoding or token.
    """
    text = read_units(Path(path), unit, encoding)
    known = tuple(vocabulary) if vocabulary is not None else vocabulary_of([text], unit)
    return Text(tokens_of(text, known, unit, str(path)), known, unit, f"{path}, {len(text):,} {unit}s")


def text_windows(text: Text, context: int, held: float = 0.1) -> Dataset:
    """A text as a data set of windows: samples are spikes [N, context + 1, V], the last the token that is to follow.

    The windows at its end are the test split, and there is no validation split. Labels are the numbers of the windows,
    and the classes are the vocabulary.

    Args:
        context: tokens of a window.
        held: share of the windows that is held out.

    Raises:
        BadInput: the text has less than two windows, or a share outside 0..1.
    """
    windows = text.windows(context)
    kept = learned_windows(len(windows), context, held)
    every = one_hot(list(windows), np.arange(len(windows)), len(text.vocabulary), context + 1)
    rest = every.pick(np.arange(kept, len(windows)))
    source = f"{text.source}; {kept:,} + {len(rest):,} windows of {context}"
    none = every.pick(np.arange(0))
    return Dataset("language", every.take(kept), none, rest, text.vocabulary, source, high=1, labelled=False)


def learned_windows(windows: int, context: int, held: float) -> int:
    """How many of a text's windows are learned; at least one is held out.

    Raises:
        BadInput: less than two windows, or a share outside 0..1.
    """
    if not 0 < held < 1 or windows < 2:
        raise BadInput(
            f"a text must have two windows of {context} tokens or more, and the share held out be in 0..1, not "
            f"{windows} and {held:g}; give a longer text"
        )
    return min(max(1, round(windows * (1 - held))), windows - 1)


def one_hot(texts: Sequence[NDArray[np.int64]], labels: NDArray[np.int64], tokens: int, length: int) -> Split:
    """Texts as spikes [N, length, tokens], one a timestep, with their labels."""
    inputs = new_frames(len(texts), (length, tokens))
    for frames, text in zip(inputs, texts, strict=True):
        some = text[:length]
        frames[np.arange(len(some)), some] = 1
    return Split(inputs, labels, timed=True)


def read_units(path: Path, unit: Unit, encoding: str) -> str:
    """A file's characters, or its bytes as the characters of the same numbers.

    Raises:
        BadData, BadInput: as `read_text`.
    """
    if unit not in ("character", "byte"):
        raise BadInput(f"unit must be 'character' or 'byte', not {unit!r}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadData(f"{path} must have at most {MOST_BYTES:,} bytes; give a part of it")
        raw = path.read_bytes()
    except OSError as error:
        raise BadData(f"{path} must be a text file that can be read, but {error}") from error
    if not raw:
        raise BadData(f"{path} must hold text, but is empty")
    if unit == "byte":
        return raw.decode("latin-1")  # a byte is the character of its number
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadData(
            f"{path} must be text in {encoding}, but byte {error.start} (0x{raw[error.start]:02x}) is none; name its "
            "encoding, or read it in bytes (unit='byte')"
        ) from error
    except LookupError as error:
        raise BadInput(
            f"encoding must be one that Python knows, such as 'utf-8', not {encoding!r}"
        ) from error


def vocabulary_of(texts: Iterator[str] | Sequence[str], unit: Unit) -> tuple[str, ...]:
    """What occurs in texts, in order.

    Raises:
        BadInput: too many different tokens.
    """
    found = tuple(sorted(set[str]().union(*texts)))
    if len(found) > MOST_TOKENS:
        raise BadInput(
            f"a vocabulary must have at most {MOST_TOKENS} tokens, but the text has {len(found)} different {unit}s; "
            "read it in bytes (unit='byte')"
        )
    return found
