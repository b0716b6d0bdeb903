"""Instruction sets: which of them a library is compiled for, and what this processor has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import BadInput
from .find import Compiler, compiler

_NATIVE = "-march=native"
FAST = ("-std=c99", "-O3", _NATIVE, "-ffp-contract=off", "-fPIC", "-shared")

# every set of gcc and clang on x86 that a kernel may have a path for, with the macros of what it needs
_LEVELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"x86-64": (), "haswell": ("__AVX2__", "__BMI__", "__BMI2__", "__FMA__", "__F16C__", "__MOVBE__")}
)

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "__SSE2__": "SSE2",
        "__SSE4_2__": "SSE4.2",
        "__AVX2__": "AVX2",
        "__FMA__": "FMA",
        "__BMI2__": "BMI2",
        "__AVXVNNI__": "AVX-VNNI",
        "__AVX512F__": "AVX-512",
        "__AVX512BW__": "AVX-512 BW",
        "__AVX512VBMI__": "AVX-512 VBMI",
        "__AVX512VNNI__": "AVX-512 VNNI",
        "__AVX512BF16__": "AVX-512 BF16",
        "__AMX_INT8__": "AMX INT8",
        "__ARM_NEON": "NEON",
        "__ARM_FEATURE_DOTPROD": "DOTPROD",
        "__ARM_FEATURE_MATMUL_INT8": "I8MM",
        "__ARM_FEATURE_SVE": "SVE",
    }
)


def sets() -> tuple[str, ...]:
    """The values of `-march` that this machine can compile for and run, the smallest first and `native` last.

    Empty without a compiler; on other processors than x86 only `native`.
    """
    return _sets(cc) if (cc := compiler()) else ()


def _sets(cc: Compiler) -> tuple[str, ...]:
    x86 = "__x86_64__" in cc.macros
    return (*(level for level, needs in _LEVELS.items() if x86 and cc.macros.issuperset(needs)), "native")


def fast(march: str) -> tuple[str, ...]:
    """The flags `FAST` for one of `sets()`."""
    return tuple(f"-march={march}" if flag == _NATIVE else flag for flag in FAST)


def forced(flags: tuple[str, ...], cc: Compiler) -> tuple[str, ...]:
    """The flags with what INTSPIKE_MARCH names in place of `native`.

    Raises:
        BadInput: INTSPIKE_MARCH names a set that this machine cannot run.
    """
    march = os.environ.get("INTSPIKE_MARCH", "").strip() or "native"
    if march == "native":
        return flags
    if march not in _sets(cc):
        raise BadInput(f"INTSPIKE_MARCH must be one of {', '.join(_sets(cc))}, not {march!r}")
    return tuple(f"-march={march}" if flag == _NATIVE else flag for flag in flags)


def instructions(cc: Compiler) -> tuple[str, ...]:
    """Names of the instructions that `-march=native` stands for and that kernels can gain from."""
    return tuple(name for macro, name in _NAMES.items() if macro in cc.macros)
