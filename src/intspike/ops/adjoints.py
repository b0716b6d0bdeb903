"""Adjoints of a body's values, which gradient rules read and add to.

Everything a rule needs must be known from the codes: of this timestep (just stored), of the last one, and the
parameters. A rule that asks for a value which saw the current and was not stored is an error that names the
op: such a neuron would need more memory than its codes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadProgram
from .body import Body, real_leak
from .codec import Codec, Table
from .instruction import Instruction
from .value import Builder, Value


class Adjoints(Builder):
    """What a gradient rule may use: the forward body, primal values from codes, and adjoints to add to.

    Attributes:
        body: of the forward pass.
        adjoint: instruction that holds the adjoint of a forward value, where it has one.
        parameters: instruction that holds the gradient of a parameter, by name.
    """

    def __init__(self, body: Body, wanted: Sequence[bool]):
        super().__init__()
        self.body = body
        self.adjoint: dict[int, int] = {}
        self.parameters: dict[str, int] = {}
        self._primal: dict[int, int] = {}
        self._wanted = wanted

    def instruction(self, k: int) -> Instruction:
        return self.body.instructions[k]

    def args(self, k: int) -> tuple[int, ...]:
        return self.body.instructions[k].args

    def codec(self, state: str) -> Codec:
        return self.body.codec(state)

    def keeps_spike(self, state: str) -> bool:
        """Whether a state is stored after its reset, beside the spike."""
        return state in self.body.quantized and self.codec(state).stores == "after reset"

    def leak(self, k: int) -> str:
        """The real leak of a carry table that is looked up."""
        return real_leak(self.body.instructions[k].name)

    def wanted(self, k: int) -> bool:
        """Whether any gradient flows through forward value k."""
        return self._wanted[k]

    def accumulate(self, k: int, g: int) -> None:
        """Add g to the adjoint of forward value k."""
        if self.wanted(k):
            self.adjoint[k] = self.emit("add", self.adjoint[k], g) if k in self.adjoint else g

    def accumulate_parameter(self, name: str, g: int) -> None:
        """Add g to the gradient of a parameter that the forward text does not read itself."""
        known = self.parameters
        known[name] = self.emit("add", known[name], g) if name in known else g

    def accumulate_level(self, state: str, g: int) -> None:
        """Add g to the gradient of the level that a state's code names, where its levels are a table."""
        if state in self.body.quantized and isinstance(self.codec(state), Table):
            self.accumulate_parameter(f"{state}.levels", g)

    def parameter(self, name: str) -> int:
        return self.emit("parameter", name=name)

    def width(self) -> int:
        """Forward index of the first threshold: the unit in which a surrogate is as wide as it says."""
        for k, i in enumerate(self.body.instructions):
            if i.op == "parameter" and i.name == "theta":
                return k
        raise BadProgram("a neuron that fires must compare with the parameter 'theta'")

    def surrogate(self, z: int) -> int:
        return self.body.surrogate(Value(self, z)).index

    def new_code(self, state: str) -> int:
        return self.emit("code", name=state)

    def stored(self, state: str) -> int:
        """The membrane just stored, as a value of the backward body."""
        names = [s.name for s in self.body.states]
        return self.primal(self.body.membranes[names.index(state)])

    def primal(self, k: int) -> int:
        """Forward value k, recomputed from codes and parameters.

        Raises:
            BadProgram: the value saw the current and was not stored.
        """
        if k not in self._primal:
            self._primal[k] = self._recompute(k)
        return self._primal[k]

    def _recompute(self, k: int) -> int:
        body, i = self.body, self.body.instructions[k]
        if k == body.spike:
            return self.emit("spike")
        if i.op == "decode":
            return self.emit("level", name=i.name, immediate=float(i.args[0] in body.stores))
        if i.op in ("parameter", "prev"):
            return self.emit(i.op, name=i.name)
        if i.op == "constant":
            return self.constant(float(i.immediate))
        if i.op == "cut":
            return self.primal(i.args[0])
        if i.op in ("current", "encode", "state", "lookup") or (i.op in ("ge", "gt") and i.name):
            raise BadProgram(
                f"a gradient rule may read only codes, outputs and parameters, but needs %{k} = {i.op}, which "
                "was not stored; store it, or keep the current linear until it is stored"
            )
        return self.emit(i.op, *(self.primal(a) for a in i.args))
