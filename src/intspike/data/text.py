"""Text as tokens: plain files, and folders of files whose names are classes; in bytes or characters.

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
from .dataset import Dataset, Split, hold_out

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
    return _tokens(text if unit == "character" else text.encode().decode("latin-1"), vocabulary, unit, name)


def _tokens(units: str, vocabulary: Sequence[str], unit: Unit, name: str) -> NDArray[np.int64]:
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
    text = _read(Path(path), unit, encoding)
    known = tuple(vocabulary) if vocabulary is not None else _vocabulary([text], unit)
    return Text(_tokens(text, known, unit, str(path)), known, unit, f"{path}, {len(text):,} {unit}s")


def text_folders(
    path: Path | str,
    *,
    length: int = 64,
    unit: Unit = "character",
    encoding: str = "utf-8",
    vocabulary: Sequence[str] | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Labelled texts: a folder of folders, each named after its class, of text files, one a sample.

    Where the folder holds `train` and `test`, the classes are in them; else a share of all files becomes the test
    split.
    Inputs are spikes [N, T, V]: token t of a sample on its channel at timestep t; behind a shorter text is silence.

    Args:
        length: T; of longer texts the beginning.
        unit, encoding, vocabulary: as in `read_text`; one vocabulary for all files.
        validation, test: shares, in the proportions of the classes; `test` is unused where there is a test folder.
        seed: chooses which.

    Raises:
        BadData: no folder, no classes, classes that differ between the splits, or a file that cannot be read.
        BadInput: the other arguments, or a token that a given vocabulary lacks.
    """
    root, length = Path(path), whole("length", length, 1, 1 << 16)
    own = all((root / part).is_dir() for part in ("train", "test"))
    found = [_labelled(root / part) for part in ("train", "test")] if own else [_labelled(root)]
    classes = tuple(found[0])
    for other in found[1:]:
        if tuple(other) != classes:
            raise BadData(
                f"{root} must have the same classes in train and test, not {', '.join(classes)} and {', '.join(other)}"
            )
    texts = [[(_read(f, unit, encoding), f) for files in part.values() for f in files] for part in found]
    labels = [np.repeat(np.arange(len(classes)), [len(files) for files in part.values()]) for part in found]
    known = (
        tuple(vocabulary)
        if vocabulary is not None
        else _vocabulary((t for part in texts for t, _ in part), unit)
    )
    splits = [
        one_hot([_tokens(t, known, unit, str(f)) for t, f in part], k.astype(np.int64), len(known), length)
        for part, k in zip(texts, labels, strict=True)
    ]
    rest, held = splits if own else hold_out(splits[0], test, seed)
    kept, chosen = hold_out(rest, validation, seed)
    source = f"{len(rest):,} + {len(held):,} texts of {root.name}, the first {length} {unit}s of each"
    return Dataset("labelled texts", kept, chosen, held, classes, source, high=1)


def one_hot(texts: Sequence[NDArray[np.int64]], labels: NDArray[np.int64], tokens: int, length: int) -> Split:
    """Texts as spikes [N, length, tokens], one a timestep, with their labels."""
    inputs = new_frames(len(texts), (length, tokens))
    for frames, text in zip(inputs, texts, strict=True):
        some = text[:length]
        frames[np.arange(len(some)), some] = 1
    return Split(inputs, labels, timed=True)


def _labelled(folder: Path) -> dict[str, list[Path]]:
    """Files by class, both in the order of their names."""
    if not folder.is_dir():
        raise BadData(f"{folder} must be a folder of folders of texts, but is none; give another")
    made = {
        d.name: sorted(f for f in d.iterdir() if f.is_file() and not f.name.startswith("."))
        for d in sorted(folder.iterdir())
        if d.is_dir() and not d.name.startswith(".")
    }
    empty = [name for name, files in made.items() if not files]
    if len(made) < 2 or empty:
        raise BadData(
            f"{folder} must hold at least two folders of text files, named after their classes, but holds "
            f"{', '.join(made) or 'none'}{f', of which {empty[0]} is empty' if empty else ''}"
        )
    return made


def _read(path: Path, unit: Unit, encoding: str) -> str:
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


def _vocabulary(texts: Iterator[str] | Sequence[str], unit: Unit) -> tuple[str, ...]:
    found = tuple(sorted(set[str]().union(*texts)))
    if len(found) > MOST_TOKENS:
        raise BadInput(
            f"a vocabulary must have at most {MOST_TOKENS} tokens, but the text has {len(found)} different {unit}s; "
            "read it in bytes (unit='byte')"
        )
    return found
