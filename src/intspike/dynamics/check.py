"""Checks certificates in plain Python integers and fractions, and imports nothing of what made them.

A network and a certificate are given as plain data (`IntegerNetwork.plain()`, `certificate.plain()`), as they would be
read from JSON. `flaw` says the first thing that is wrong, or None: then the claim holds for every state it speaks of.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

Plain = Mapping[str, Any]


def flaw(network: Plain, certificate: Plain) -> str | None:
    """What is wrong with a certificate of a network, or None."""
    known = {"bounded": _bounded, "quiescent": _quiescent, "trap": _trap, "rheobase": _rheobase}
    check = known.get(certificate.get("kind", ""))
    return "this kind of certificate is not known" if check is None else check(network, certificate)


def _leak(net: Plain, u: int) -> int:
    return u if net["leak"] is None else u - (u >> net["leak"])


def _left(net: Plain, u: int, theta: int) -> int:
    """What a neuron keeps of u for the next timestep."""
    if u >= theta and net["reset"] != "none":
        u = 0 if net["reset"] == "zero" else u - theta
    return _leak(net, u)


def _image(net: Plain, lows: list[int], highs: list[int], drive: list[int]) -> list[tuple[int, int]]:
    """Bounds of what every neuron can become before it is stored, from any state in a box."""
    n = len(lows)
    surely = [j for j in range(n) if lows[j] >= net["threshold"][j]]
    maybe = [j for j in range(n) if highs[j] >= net["threshold"][j] > lows[j]]
    made: list[tuple[int, int]] = []
    for i in range(n):
        theta, row = net["threshold"][i], net["weights"][i]
        sent = drive[i] + sum(row[j] for j in surely)
        perhaps = [row[j] for j in maybe]  # the others send nothing
        least, most = sent + sum(w for w in perhaps if w < 0), sent + sum(w for w in perhaps if w > 0)
        ends = [u for u in (lows[i], highs[i], theta - 1, theta) if lows[i] <= u <= highs[i]]
        kept = [_left(net, u, theta) for u in ends]  # increasing below the threshold, and from it on
        made.append((min(kept) + least, max(kept) + most))
    return made


def _box(net: Plain, box: Any) -> str | None:
    n, (lows, highs) = len(net["weights"]), box
    if len(lows) != n or len(highs) != n:
        return "a box does not have one range a neuron"
    if any(not net["low"] <= a <= b <= net["high"] for a, b in zip(lows, highs, strict=True)):
        return "a range is empty or leaves the codes"
    return None


def _bounded(net: Plain, c: Plain) -> str | None:
    if wrong := _box(net, c["box"]):
        return wrong
    lows, highs = c["box"]
    if any(not a <= 0 <= b for a, b in zip(lows, highs, strict=True)):
        return "rest is outside the box"
    for drive in net["drive"]:
        for i, (a, b) in enumerate(_image(net, lows, highs, drive)):
            if a < lows[i] or b > highs[i]:
                return f"neuron {i} can leave its range, for {a}..{b}"
    return None


def _trap(net: Plain, c: Plain) -> str | None:
    boxes = c["boxes"]
    if not boxes or len(boxes) % len(net["drive"]):
        return "there must be whole periods of the drive"
    for t, box in enumerate(boxes):
        if wrong := _box(net, box):
            return wrong
        to = boxes[(t + 1) % len(boxes)]
        if wrong := _box(net, to):
            return wrong
        for i, (a, b) in enumerate(_image(net, box[0], box[1], net["drive"][t % len(net["drive"])])):
            if net["overflow"] == "saturate":
                a, b = (min(max(x, net["low"]), net["high"]) for x in (a, b))
            if a < to[0][i] or b > to[1][i]:
                return f"neuron {i} can leave box {t}, for {a}..{b}"
        fires = [i for i, theta in enumerate(net["threshold"]) if box[0][i] >= theta]
        silent = [i for i, theta in enumerate(net["threshold"]) if box[1][i] < theta]
        if fires != list(c["fires"][t]) or silent != list(c["silent"][t]):
            return f"what fires or is silent in box {t} does not follow from it"
    return None


def _quiescent(net: Plain, c: Plain) -> str | None:
    a, decay, n = c["potential"], Fraction(*c["decay"]), len(net["weights"])
    if net["reset"] == "none" or net["overflow"] != "saturate":
        return "a spike must be reset and the state saturate"
    if any(d > 0 for drive in net["drive"] for d in drive):
        return "a drive is positive"
    if len(a) != n or any(not isinstance(x, int) or x < 1 for x in a) or not 0 < decay <= 1:
        return "the potential must be positive integers, its decay in 0..1"
    given = [0] * n
    for i, row in enumerate(net["weights"]):
        for j, w in enumerate(row):
            given[j] += a[i] * w if w > 0 else 0
    for j, theta in enumerate(net["threshold"]):  # a spike of j takes theta of its own and gives its weights
        if given[j] > (1 - decay) * a[j] * theta:
            return f"a spike of neuron {j} does not lower the potential enough"
    for u in (net["low"], net["high"]):
        for _ in range(c["settling"]):
            u = _leak(net, u)
        if net["leak"] is not None and _leak(net, u) != u:
            return "the leak does not settle in that time"
    return None


def _rheobase(net: Plain, c: Plain) -> str | None:
    if len(c["drives"]) != len(net["threshold"]) or len(c["steps"]) != len(net["threshold"]):
        return "there must be one drive and one time a neuron"
    for i, (theta, d, steps) in enumerate(zip(net["threshold"], c["drives"], c["steps"], strict=True)):
        if theta > net["high"] or d < 1:
            return f"neuron {i} has no rheobase, or one below 1"
        u = 0
        for _ in range(steps):
            u = _leak(net, u) + d
            if u > net["high"] and net["overflow"] == "wrap":
                return f"neuron {i} wraps before it fires"
            u = min(u, net["high"])
        if u < theta:
            return f"neuron {i} does not fire at its rheobase in that time"
        # below the threshold everything stays below it: the leak is increasing, so the highest code decides
        if _leak(net, theta - 1) + d - 1 >= theta and d > 1:
            return f"neuron {i} could fire below its rheobase"
    return None
