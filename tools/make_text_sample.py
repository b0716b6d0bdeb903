"""Make the text that travels with intspike. A rerun gives the same bytes.

    python tools/make_text_sample.py --source input.txt --out src/intspike/data/samples

The source is `data/tinyshakespeare/input.txt` of the repository karpathy/char-rnn: plays by William Shakespeare
(1564-1616), which are in the public domain. The sample is its beginning, up to the last empty line before LENGTH
characters, as ASCII, xz-compressed. The exact bytes also depend on the version of liblzma; the checksum to write into
src/intspike/data/text_sample.py is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
from pathlib import Path

LENGTH = 500_000
NAME = "shakespeare.txt.xz"


def pack(source: Path) -> bytes:
    """The bytes of the sample."""
    text = source.read_text("ascii")[:LENGTH]
    return lzma.compress(text[: text.rindex("\n\n") + 1].encode("ascii"), preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    packed = pack(given.source)
    (given.out / NAME).write_bytes(packed)
    print(f"{len(packed):,} bytes, SHA-256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    main()
