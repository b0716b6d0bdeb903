"""What to quantize and how: one frozen value, with overrides per layer."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..errors import BadInput, did_you_mean
from ..ops import Carry, Dyadic, Leak, Shift
from .comparison import ComparisonState
from .state import OtherState, StateQuantizer
from .weight import WeightQuantizer

_FIELDS = ("weight", "state", "leak", "bias", "others")
_OTHERS = ("i", "a")


@dataclass(frozen=True)
class QuantConfig:
    """How weights, membrane potentials and leaks are quantized.

    Attributes:
        weight: of every synapse; None is full precision, which `lower` refuses.
        state: of every neuron; None is full precision, which `lower` refuses, as it does a ComparisonState.
        leak: integer form of the leak; None: a carry table up to 8 state bits, else a shift.
        bias: bits of a layer's biases, 2..16: integers times one power of two for the layer; None: 32-bit integers. It
            is the neuron's bias that is rounded: the synapse's, with the norm's offset in it.
        others: of states beside the membrane, by name: "i", a synaptic current, "a", an adaptation of the threshold.
            Those that are not named have as many bits as the membrane, at least 2; neurons without them read nothing.
        overrides: layer name pattern (as in file names: "lif*"; a layer is named after its neuron) to a dict of the
            same fields; the last match wins.

    Example:
        >>> QuantConfig(Uniform(4), ThresholdCentred(4), overrides={"lif3": {"state": ThresholdCentred(5)}})
    """

    weight: WeightQuantizer | None = None
    state: StateQuantizer | ComparisonState | None = None
    leak: Leak | None = None
    bias: int | None = None
    others: Mapping[str, OtherState] = field(default_factory=dict[str, OtherState], hash=False)
    overrides: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]], hash=False
    )

    def __post_init__(self) -> None:
        for name, value, kinds in (
            ("weight", self.weight, (WeightQuantizer,)),
            ("state", self.state, (StateQuantizer, ComparisonState)),
            ("leak", self.leak, (Carry, Shift, Dyadic)),
        ):
            if value is not None and not isinstance(value, kinds):  # pyright: ignore[reportUnnecessaryIsInstance]
                known = " or ".join(k.__name__ for k in kinds)
                what = name if name == "leak" else f"{name} quantizer"
                bits = value if type(value) is int and 1 <= value <= 8 else 4
                likely = f"ThresholdCentred({bits})" if name == "state" else f"Uniform({bits})"
                repair = "" if name == "leak" else f"; give {likely}, for example"
                raise BadInput(f"the {what} must be {known} (or None), not {value!r}{repair}")
        if self.bias is not None and (not isinstance(self.bias, int) or not 2 <= self.bias <= 16):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(f"the bits of a bias must be an integer in 2..16 (or None), not {self.bias!r}")
        for name, other in self.others.items():
            if name not in _OTHERS:
                raise BadInput(f"others names the state {name!r}; {did_you_mean(name, _OTHERS)}")
            if not isinstance(other, OtherState):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise BadInput(f"the state {name} must be stored in an OtherState, not {other!r}")
        object.__setattr__(self, "others", MappingProxyType(dict(self.others)))
        frozen: dict[str, Mapping[str, Any]] = {}
        for pattern, fields in self.overrides.items():
            if not isinstance(fields, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise BadInput(
                    f"override {pattern!r} must be a dict of {', '.join(_FIELDS)}, not {fields!r}; for example "
                    '{"state": ThresholdCentred(4)}'
                )
            for name in fields:
                if name not in _FIELDS:
                    raise BadInput(f"override {pattern!r} names {name!r}; {did_you_mean(name, _FIELDS)}")
            frozen[pattern] = MappingProxyType(dict(fields))
            QuantConfig(**fields)  # its own checks
        object.__setattr__(self, "overrides", MappingProxyType(frozen))

    def of(self, layer: str) -> QuantConfig:
        """The configuration of one layer, overrides applied."""
        fields: dict[str, Any] = {}
        for pattern, changed in self.overrides.items():
            if fnmatch.fnmatchcase(layer, pattern):
                fields |= changed
        return replace(self, overrides={}, **fields)

    def _plain(self) -> dict[str, dict[str, Any]]:
        return {pattern: dict(fields) for pattern, fields in self.overrides.items()}

    def __repr__(self) -> str:
        more = f", overrides={self._plain()!r}" if self.overrides else ""
        bias = "" if self.bias is None else f", bias={self.bias!r}"
        others = f", others={dict(self.others)!r}" if self.others else ""
        return f"QuantConfig(weight={self.weight!r}, state={self.state!r}, leak={self.leak!r}{bias}{others}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        others = dict(self.others)
        return QuantConfig, (self.weight, self.state, self.leak, self.bias, others, self._plain())

    def __deepcopy__(self, memo: dict[int, Any]) -> QuantConfig:
        return self  # a value
