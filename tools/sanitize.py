"""Compiled code under AddressSanitizer and UndefinedBehaviorSanitizer: `make sanitize`.

The tests below run again in a process that has the sanitizers' libraries loaded, with a compiler that checks every
access and every operation: generated time loops, hand-written kernels, and exported programs as processes of their
own. First it is shown that planted faults end a process. Without gcc or its libraries this says so and does nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = "INTSPIKE_SANITIZED"
LIBRARIES = ("libasan.so", "libubsan.so")
FLAGS = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"

# of how many variants of a test one runs, and what its name must hold
ANY = ""
SETS = r"native\]|plain\]"  # of the instruction sets the widest, and C without any
ENDS = "native|x86-64"  # the same by names of the compiler
TESTS = {
    "tests/native/test_synapse.py::test_convolutions": (1, SETS),
    "tests/native/test_synapse.py::test_dense": (1, SETS),
    "tests/native/test_dense_gradient.py::test_gradients_are_matrix_products": (6, "norm"),
    "tests/quant/test_codec.py::test_compiled_loops_are_the_definition": (2, SETS),
    "tests/quant/test_codec.py::test_large_results": (1, ANY),
    "tests/measure/test_spikes.py::test_histograms_count_every_value": (1, ANY),
    "tests/kernels/test_fused.py::test_layers_larger_than_a_tile_and_layers_of_one": (1, ANY),
    "tests/kernels/test_fused.py::test_bits_depend_neither_on_threads_nor_on_the_batch_split": (1, ANY),
    "tests/kernels/test_fused.py::test_kernels_are_the_definition_and_their_gradients_the_oracles": (36, ANY),
    "tests/nn/test_compiled.py::test_spikes_are_torchs_and_gradients_those_of_float64": (17, ANY),
    "tests/engine/test_native.py::test_layer_by_layer_equals_the_reference": (12, ANY),
    "tests/engine/test_native.py::test_every_instruction_set": (1, SETS),
    "tests/engine/test_trains.py::test_trains_equal_those_of_the_time_loop": (3, ANY),
    "tests/engine/test_fuzz.py::test_the_number_of_samples_and_timesteps_means_nothing": (1, ANY),
    "tests/engine/test_fuzz.py::test_sums_at_the_ends_of_a_machines_integers": (2, ANY),
    "tests/dynamics/test_orbits.py::test_compiled_timesteps_are_the_definition": (1, ANY),
    "tests/dynamics/test_orbits.py::test_compiled_timesteps_fill_several_blocks_and_portions": (1, ANY),
    "tests/dynamics/test_orbits.py::test_many_states_advance_on_every_processor": (1, ENDS),
    "tests/dynamics/test_orbits.py::test_single_states_on_every_processor": (1, ENDS),
    "tests/dynamics/test_graph.py::test_any_map_is_taken_apart": (1, ANY),
    "tests/dynamics/test_graph.py::test_several_threads_and_blocks_make_the_same_successors": (1, ANY),
    "tests/kernels/test_between.py::test_any_graph_of_joins_is_torchs": (1, ANY),
}

FAULT = """
import ctypes, sys, torch
from intspike import native
source = '''
int sum(const int *x, int n); int next(int x);
int sum(const int *x, int n) { int s = 0; for (int i = 0; i < n; i++) s += x[i]; return s; }
int next(int x) { return x + 1; }
'''
library = native.load(source, native.compiler())
x = torch.zeros(1000, dtype=torch.int32)
pointer = ctypes.c_void_p(x.data_ptr())
assert library.sum(pointer, 1000) == 0 and library.next(41) == 42
if sys.argv[1] == "beyond": library.sum(pointer, 1001)
if sys.argv[1] == "overflow": library.next(2**31 - 1)
"""


def loaded() -> str | None:
    """What must be loaded into Python for gcc's sanitizers; None where it is missing."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return None
    found: list[str] = []
    for library in LIBRARIES:
        asked = subprocess.run(
            [gcc, f"-print-file-name={library}"], capture_output=True, text=True, check=True
        )
        path = Path(asked.stdout.strip())
        if not path.is_absolute():
            return None
        found.append(str(path))
    return ":".join(found)


def check_the_check() -> None:
    """Planted faults must end a process, and what is right must not."""
    for fault, words in (
        ("none", ""),
        ("beyond", "AddressSanitizer"),
        ("overflow", "signed integer overflow"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", FAULT, fault], capture_output=True, text=True, check=False
        )
        if (done.returncode == 0) != (fault == "none") or words not in done.stderr:
            sys.exit(f"the planted fault {fault!r} was to be found, but was not:\n{done.stderr}")


class Sample:
    """Keeps one of some variants of each test, always the same."""

    def pytest_collection_modifyitems(self, items: list[object]) -> None:
        seen: dict[str, int] = {}
        kept: list[object] = []
        for item in items:
            test = re.sub(r"\[.*", "", item.nodeid, flags=re.DOTALL)  # type: ignore[attr-defined]
            every, name = TESTS[test]
            if not re.search(name, item.nodeid):  # type: ignore[attr-defined]
                continue
            seen[test] = seen.get(test, -1) + 1
            if seen[test] % every == 0:
                kept.append(item)
        if missing := TESTS.keys() - seen.keys():
            sys.exit(f"no variant is left of {', '.join(sorted(missing))}")
        items[:] = kept


def main() -> int:
    os.chdir(ROOT)
    if os.environ.get(MARK):
        import pytest

        check_the_check()
        return int(pytest.main(["-q", "-p", "no:xdist", "--durations=5", *TESTS], plugins=[Sample()]))
    libraries = loaded()
    if libraries is None:
        print("skipped: the sanitizers need gcc with libasan and libubsan")
        return 0
    environment = {
        **os.environ,
        MARK: "1",
        "LD_PRELOAD": libraries,
        "ASAN_OPTIONS": "detect_leaks=0",  # Python never frees what it holds at its end
        "PYTHONMALLOC": "malloc",  # small arrays get guards too
        "INTSPIKE_COMPILER": f"gcc {FLAGS}",
    }
    return subprocess.run([sys.executable, __file__], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
