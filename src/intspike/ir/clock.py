"""The substep clock: which nodes run once a substep, and in which runs a timestep takes them.

An `Unfold` starts the clock and a `Fold` ends it. Nodes between stand one behind another in the program: such a run is
done once for every substep of a timestep, so a node's spikes are read at the substep in which they were sent, and what
reads a `Fold` waits until all substeps are in. A run has no memory but the sums of its folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import BadProgram
from .nodes import Conv, Dense, Fold, Join, Node, Pool, Unfold


def on_substeps(nodes: Sequence[Node]) -> frozenset[str]:
    """Nodes whose output is one of a substep; a `Fold`, whose output is one of the timestep, is none."""
    found: set[str] = set()
    for n in nodes:
        inside = not isinstance(n, Fold) and any(e.source in found for e in n.edges)
        if isinstance(n, Unfold) or inside:
            found.add(n.name)
    return frozenset(found)


def substeps(nodes: Sequence[Node]) -> int:
    """Substeps of a timestep; 1 where there is no substep clock."""
    return next((n.substeps for n in nodes if isinstance(n, Unfold)), 1)


def runs(nodes: Sequence[Node]) -> Iterator[tuple[bool, list[Node]]]:
    """The nodes in order, in runs: whether a run is done once a substep, and its nodes."""
    inside = on_substeps(nodes)
    run: list[Node] = []
    on = False
    for n in nodes:
        now = n.name in inside or isinstance(n, Fold)
        if run and now != on:
            yield on, run
            run = []
        on = now
        run.append(n)
    if run:
        yield on, run


def check_clock(nodes: Sequence[Node]) -> None:
    """The rules of substeps.

    Raises:
        BadProgram: which node breaks which of them.
    """
    inside, by_name = on_substeps(nodes), {n.name: n for n in nodes}
    counts = {n.substeps for n in nodes if isinstance(n, Unfold)}
    if len(counts) > 1:
        raise BadProgram(f"a program must have one number of substeps, not {sorted(counts)}")
    run = 0
    number: dict[str, int] = {}
    for n in nodes:
        clocked = n.name in inside or isinstance(n, Fold)
        run += not clocked
        number[n.name] = run
        on = [e.source in inside for e in n.edges]
        if isinstance(n, Unfold):
            if not 1 <= n.substeps <= 255:
                raise BadProgram(f"{n.name}: substeps must be in 1..255, not {n.substeps}")
            if isinstance(by_name[n.source.source], Fold) or any(on):
                raise BadProgram(f"{n.name} must unfold integers of a timestep, not {n.source.source}")
            continue
        if isinstance(n, Fold) and not all(on):
            raise BadProgram(f"{n.name} must sum substeps, but {n.source.source} has none")
        if not any(on):
            continue
        if not isinstance(n, (Dense, Conv, Pool, Join, Fold)):
            raise BadProgram(
                f"{n.name} reads substeps of {n.edges[on.index(True)].source}; put a Fold between"
            )
        if not all(on):
            raise BadProgram(f"{n.name} reads both substeps and timesteps; unfold both, or fold before")
        for e in n.edges:
            if e.delay:
                raise BadProgram(f"{n.name} reads substeps of {e.source} delayed; delays are of timesteps")
            if number[e.source] != run:
                raise BadProgram(
                    f"{n.name} must stand in one run with {e.source}, whose substeps it reads, without a node of the "
                    "timestep's clock between; unfold again"
                )
