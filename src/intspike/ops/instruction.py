"""One value of a body."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One value: `op` applied to earlier values.

    Attributes:
        op: a row of the op table, or a leaf: "current", "state", "prev", "parameter", "constant";
            in backward bodies also "stored" (the membrane just stored), "spike" and "adjoint".
        args: indices of earlier instructions.
        name: the parameter or state a leaf, a codec op or a comparison's surrogate refers to.
        immediate: a constant's value, or an op's static integer.
    """

    op: str
    args: tuple[int, ...] = ()
    name: str = ""
    immediate: float = 0

    def __str__(self) -> str:
        parts = [self.op, *(f"%{a}" for a in self.args)]
        if self.name:
            parts.append(self.name)
        if self.op == "constant" or self.immediate:
            whole = self.immediate == round(self.immediate)  # a long integer is shown in full
            parts.append(f"{self.immediate:.0f}" if whole else f"{self.immediate:g}")
        return " ".join(parts)
