"""The tables of docs/quantizers.md, made from the quantizers.

`python -m intspike.quant.docs docs/quantizers.md` renews them.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from .. import quant
from ..ops.codec import Stores
from .about import About
from .state import StateQuantizer, UniformState
from .weight import WeightQuantizer

BEGIN, END = "<!-- table: {} -->", "<!-- end -->"
STORES: tuple[Stores, Stores] = "after reset", "before reset"


def kinds(base: type[Any]) -> list[type[Any]]:
    """The quantizers that `intspike.quant` names, of one kind, by name."""
    named = [v for v in vars(quant).values() if isinstance(v, type) and issubclass(v, base) and v is not base]
    return sorted(set(named), key=lambda c: c.__name__)


def of_width(kind: type[Any], bits: int, **more: Any) -> Any:
    """A quantizer of so many bits; those of one width have no such field."""
    return kind(bits, **more) if "bits" in {f.name for f in fields(kind)} else kind(**more)


def weight_table() -> list[str]:
    """Every weight quantizer: equation, codes, packed bits, gradient, source."""
    rows: list[list[str]] = []
    for kind in kinds(WeightQuantizer):
        about: About = kind.ABOUT
        made = [of_width(kind, bits) for bits in kind.WIDTHS]
        tables = [q.table_bits for q in made]
        packed = "b" if not any(tables) else f"b, and {min(t for t in tables if t)}..{max(tables)} a channel"
        rows.append(
            [
                _code(kind.__name__),
                _range(kind),
                about.equation,
                about.codes,
                packed,
                about.gradient,
                about.source,
            ]
        )
    return _table(
        ["quantizer", "bits b", "code q of w", "codes", "bits of a weight", "gradient to w", "source"], rows
    )


def state_table() -> list[str]:
    """Every state quantizer: equation, levels, gradient, source."""
    rows: list[list[str]] = []
    for kind in kinds(StateQuantizer):
        about: About = kind.ABOUT
        rows.append(
            [_code(kind.__name__), _range(kind), about.equation, about.codes, about.gradient, about.source]
        )
    return _table(["quantizer", "bits b", "what is stored", "levels", "gradient to u", "source"], rows)


def level_table() -> list[str]:
    """Levels of 1 to 3 bits in thresholds."""
    rows: list[list[str]] = []
    chosen = [
        ("ThresholdCentred", quant.ThresholdCentred),
        ("... exponential", lambda b, s: quant.ThresholdCentred(b, s, "exponential")),
        ("... compander", lambda b, s: quant.ThresholdCentred(b, s, "compander")),
        ("PowerOfTwoState", quant.PowerOfTwoState),
        ("UniformState", lambda b, s: UniformState(b, stores=s)),
    ]
    for name, make in chosen:
        for bits in (2, 3):
            levels = [", ".join(f"{x:.3g}" for x in make(bits, stores).fractions) for stores in STORES]
            rows.append([_code(name) if name[0] != "." else name, str(bits), *levels])
    return _table(["levels of", "bits", *STORES], rows)


TABLES = {"weights": weight_table, "states": state_table, "levels": level_table}


def renewed(text: str) -> str:
    """A page with its tables as they are now."""
    for name, make in TABLES.items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END)
        text = "".join([before, begin, "\n\n", "\n".join(make()), "\n\n", end, after])
    return text


def _range(kind: type[Any]) -> str:
    widths = kind.WIDTHS
    return str(widths[0]) if len(widths) == 1 else f"{widths[0]}..{widths[-1]}"


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def main() -> None:
    """Renew the page that is named."""
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
