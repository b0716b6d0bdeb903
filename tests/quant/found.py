"""All quantizers that the package names, in every width and with every choice that their fields declare."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

from intspike.errors import BadInput
from intspike.quant import StateQuantizer, ThresholdCentred, UniformState, WeightQuantizer
from intspike.quant.docs import kinds, of_width


def label(q: Any) -> str:
    """Its constructor with what is not the default, as short as an id must be."""
    given = [repr(v) for f in dataclasses.fields(q) if (v := getattr(q, f.name)) != f.default]
    return f"{type(q).__name__}({', '.join(given)})"


def choices(kind: type) -> dict[str, list[Any]]:
    """Of each field with a finite type, its values."""
    found: dict[str, list[Any]] = {}
    hints = get_type_hints(kind)
    for f in dataclasses.fields(kind):
        if get_origin(hints[f.name]) is Literal:
            found[f.name] = list(get_args(hints[f.name]))
        elif hints[f.name] is bool:
            found[f.name] = [False, True]
    return found


def every(kind: type[Any]) -> Iterator[Any]:
    """Every width with every choice; what is refused as a combination is left out."""
    for bits in kind.WIDTHS:
        options = choices(kind)
        for values in itertools.product(*options.values()):
            fields = dict(zip(options, values, strict=True))
            try:
                yield of_width(kind, bits, **fields)
            except BadInput:
                continue


def weights() -> list[WeightQuantizer]:
    return [q for kind in kinds(WeightQuantizer) for q in every(kind)]


def states() -> list[StateQuantizer]:
    """As they are found, and some whose fields have no finite type."""
    found = [q for kind in kinds(StateQuantizer) for q in every(kind)]
    for bits, ends in ((4, (-3.0, 2.0)), (6, (-0.5, 8.0))):
        n = 1 << bits
        curved = {"counts": (n - 3, 3), "steepness": (1.0, 40.0), "ends": ends}
        found += [
            ThresholdCentred(bits, "before reset", spacing, **curved)
            for spacing in ("exponential", "compander")
        ]
        found.append(ThresholdCentred(bits, spacing="compander", steepness=(100.0, 1.0), ends=ends))
        found.append(UniformState(bits, low=0.0, high=5.0))
        found.append(UniformState(bits, low=-4.0, high=1.5, stores="after reset"))
    found.append(ThresholdCentred(2, levels=(-0.5, 0.0, 0.3, 0.6)))
    return found
