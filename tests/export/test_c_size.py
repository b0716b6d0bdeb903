"""What an exported program says of its memory, against a compiler; and the example of its README."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import program_examples
from intspike.engine import native
from intspike.export.c import c_size, export_c
from intspike.native import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler")
EXAMPLES = ("dense", "convolution", "recurrent", "several_spikes", "resting")


def built(folder: Path, main: str, *flags: str) -> Path:
    (folder / "own.c").write_text(main)
    cc = ["cc", "-std=c99", "-O0", *flags, f"-I{folder}", str(folder / "own.c"), str(folder / "program.c")]
    subprocess.run([*cc, "-o", str(folder / "own")], check=True)
    return folder / "own"


@pytest.mark.parametrize("name", EXAMPLES)
def test_bytes_are_those_of_the_compiler(name: str, tmp_path: Path) -> None:
    program = getattr(program_examples, name)()
    export_c(program, tmp_path)
    size = c_size(program)
    header = (tmp_path / "program.h").read_text()
    assert (
        f"{size.state:,} bytes of RAM; the constants are {size.constants:,} bytes"
        in (tmp_path / "README.md").read_text()
    )
    # a struct of the same fields without padding
    packed = header.replace("typedef struct {", "#pragma pack(1)\ntypedef struct {")
    (tmp_path / "program.h").write_text(packed)
    source = (tmp_path / "program.c").read_text()
    arrays = re.findall(r"^static const \w+ (\w+)\[", source, re.MULTILINE)
    told = " + ".join(["0", *(f"sizeof {a}" for a in arrays)])
    main = (
        f'#include "program.c"\n#include <stdio.h>\nint main(void) {{ printf("%lu %lu", '
        f"(unsigned long)sizeof(program_state), (unsigned long)({told})); return 0; }}\n"
    )
    (tmp_path / "own.c").write_text(main)
    subprocess.run(["cc", "-std=c99", str(tmp_path / "own.c"), "-o", str(tmp_path / "own")], check=True)
    state, constants = map(int, subprocess.check_output([tmp_path / "own"]).split())
    pointer = state - size.state
    assert pointer in (4, 8)
    assert constants == size.constants


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_the_readme_runs(name: str, tmp_path: Path) -> None:
    program = getattr(program_examples, name)()
    export_c(program, tmp_path)
    lines = [x[4:] for x in (tmp_path / "README.md").read_text().splitlines() if x.startswith("    ")]
    given, run = "\n".join(lines[:2]), "\n".join(lines[2:])
    shape = program.shapes[program.input.name]
    x = np.random.default_rng(0).integers(program.input.low, program.input.high + 1, shape)
    last = x.reshape(shape[0], -1).T.ravel()  # the channel last
    fill = "".join(f"x[{k}] = {v};\n" for k, v in enumerate(last.tolist()))
    main = (
        f'#include "program.h"\n#include <stdio.h>\n{given}\nint main(void) {{ const int timesteps = 7;\n{fill}\n'
        f"{run}\n"
        'printf("%d", (int)winner); return 0; }\n'
    )
    assert int(subprocess.check_output([built(tmp_path, main)])) == native.run(program, x[None], 7).classes[0]


def test_a_negative_number_of_timesteps_is_refused(tmp_path: Path) -> None:
    export_c(program_examples.dense(), tmp_path)
    subprocess.run(["make", "-s", "-C", str(tmp_path)], check=True)
    for header in ([-5, 1, 1], [5, -1, 1]):
        done = subprocess.run(
            [tmp_path / "program"], input=np.array(header, np.int32).tobytes(), capture_output=True
        )
        assert (done.returncode, done.stdout) == (1, b"")
