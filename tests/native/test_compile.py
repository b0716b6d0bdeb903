"""Finding a compiler, instruction sets, and a cache that is private, shared between processes and never wrong."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler_report import lines_with, vectorized_lines, vectorizing_compiler
from intspike import native
from intspike.errors import BadInput, BuildFailed, MissingDependency
from intspike.native import cache, compiler, find, march

FOUND = compiler()
needs_compiler = pytest.mark.skipif(FOUND is None, reason="there is no C compiler")
SOURCE = "int answer(void); int answer(void) { return 42; }\n"
LOOPS = """
void good(int *restrict a, const int *restrict b, long n);
void bad(int *a, long n);
void good(int *restrict a, const int *restrict b, long n)
{
    for (long i = 0; i < n; i++) /* free */
        a[i] += b[i];
}
void bad(int *a, long n)
{
    for (long i = 1; i < n; i++) /* chained */
        a[i] = a[i - 1] * a[i] + 1;
}
"""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache, and nothing remembered from another test."""
    for name in ("INTSPIKE_COMPILER", "INTSPIKE_MARCH", "CC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    find._search.cache_clear()
    cache._load.cache_clear()
    yield tmp_path / "intspike"
    find._search.cache_clear()
    cache._load.cache_clear()


def cc() -> native.Compiler:
    found = compiler()
    assert found is not None
    return found


def answer(library: ctypes.CDLL) -> int:
    return library.answer()


def stored(folder: Path) -> list[Path]:
    """Everything in a cache, what is no library included."""
    return sorted(folder.iterdir())


def wrapper(folder: Path, name: str, *, macro: str = "", log: Path | None = None) -> Path:
    """A compiler that is the machine's own, but has one macro more, or writes a line for each compilation."""
    assert FOUND is not None
    file, real = folder / name, " ".join(FOUND.command)
    lines = ["#!/bin/sh", f'case "$*" in *-dM*) echo "#define {macro} 1";; esac' if macro else ""]
    lines += [f'case "$*" in *source.c*) echo x >> {log};; esac' if log else "", f'exec {real} "$@"']
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o755)
    return file


# --- finding ------------------------------------------------------------------------------------------------


def test_none_forces_the_fallback_and_says_so_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTSPIKE_COMPILER", "none")
    with pytest.warns(native.SlowerWithoutCompiler, match="INTSPIKE_COMPILER=none") as said:
        assert [compiler() for _ in range(3)] == [None] * 3
    assert len(said) == 1
    assert native.sets() == ()


@needs_compiler
def test_a_compiler_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    chosen = wrapper(tmp_path, "mine")
    monkeypatch.setenv("INTSPIKE_COMPILER", str(chosen))
    monkeypatch.setenv("CC", "no-such-compiler")
    assert cc().command == (str(chosen),)
    assert answer(native.load(SOURCE, cc())) == 42
    monkeypatch.setenv("INTSPIKE_COMPILER", f"{chosen} -DX=1")
    assert cc().command == (str(chosen), "-DX=1")
    monkeypatch.delenv("INTSPIKE_COMPILER")
    monkeypatch.setenv("CC", str(chosen))
    assert cc().command == (str(chosen),)


@pytest.mark.parametrize("chosen", ["no-such-compiler", "/nowhere/cc", sys.executable])
def test_a_chosen_compiler_that_is_none_is_an_error_not_another_compiler(monkeypatch, chosen: str):
    monkeypatch.setenv("INTSPIKE_COMPILER", chosen)
    with pytest.raises(MissingDependency, match=f"INTSPIKE_COMPILER must be .* but is '{chosen}': install"):
        compiler()


@needs_compiler
def test_what_the_compiler_refuses_is_an_error_with_its_words():
    with pytest.raises(BuildFailed, match=r"refused it: (?s:.*)undeclared"):
        native.load("int f(void) { return missing; }", cc())


# --- instruction sets -----------------------------------------------------------------------------------------


@needs_compiler
def test_every_set_compiles_runs_and_is_kept_apart(own_cache: Path):
    marches = native.sets()
    assert marches[-1] == "native"
    assert len(set(marches)) == len(marches)
    for level in marches:
        assert f"-march={level}" in native.fast(level)
        assert answer(native.load(SOURCE, cc(), native.fast(level))) == 42
    assert len(native.libraries()) == len(marches)


def test_sets_follow_what_the_processor_has():
    known = native.Compiler(("cc",), "cc 1", frozenset({"__x86_64__"}), "")
    assert march._sets(known) == ("x86-64", "native")
    with_avx2 = known.macros | set(march._LEVELS["haswell"])
    assert march._sets(dataclasses.replace(known, macros=with_avx2)) == ("x86-64", "haswell", "native")
    arm = dataclasses.replace(known, macros=frozenset({"__aarch64__", "__ARM_NEON"}))
    assert march._sets(arm) == ("native",)
    assert native.instructions(arm) == ("NEON",)
    assert "AVX2" in native.instructions(dataclasses.replace(known, macros=with_avx2))


@needs_compiler
def test_one_set_can_be_forced_for_the_process(monkeypatch: pytest.MonkeyPatch):
    level = native.sets()[0]
    monkeypatch.setenv("INTSPIKE_MARCH", level)
    native.load(SOURCE, cc())
    only = native.libraries()
    native.load(SOURCE, cc(), native.fast(level))
    assert native.libraries() == only
    assert len(only) == 1
    monkeypatch.setenv("INTSPIKE_MARCH", "pentium")
    with pytest.raises(BadInput, match=f"INTSPIKE_MARCH must be one of {native.sets()[0]}.*not 'pentium'"):
        native.load(SOURCE, cc())


@needs_compiler
def test_a_library_made_on_another_processor_is_not_used(monkeypatch, tmp_path: Path, own_cache: Path):
    log = tmp_path / "log"
    chosen = wrapper(tmp_path, "mine", log=log)
    monkeypatch.setenv("INTSPIKE_COMPILER", str(chosen))
    here = cc()
    native.load(SOURCE, here)
    cache._load.cache_clear()
    native.load(SOURCE, here)
    assert log.read_text() == "x\n"  # the second time it came from the cache
    wrapper(tmp_path, "mine", macro="__OTHER_PROCESSOR__", log=log)  # same name and version, other macros
    find._search.cache_clear()
    find._identify.cache_clear()
    there = cc()
    assert (there.command, there.version) == (here.command, here.version)
    assert there.identity != here.identity
    native.load(SOURCE, there)
    assert log.read_text() == "x\nx\n"
    assert len(native.libraries()) == 2
    find._identify.cache_clear()


# --- the cache ------------------------------------------------------------------------------------------------


@needs_compiler
def test_the_cache_is_private(own_cache: Path):
    native.load(SOURCE, cc())
    assert own_cache.stat().st_mode & 0o777 == 0o700
    (library,) = native.libraries()
    assert library.parent == own_cache
    assert library.stat().st_mode & 0o777 == 0o700
    assert stored(own_cache) == [library]  # nothing else is left behind


@needs_compiler
@pytest.mark.parametrize("fault", ["open to others", "a link", "a file", "no folder can be made"])
def test_a_folder_that_cannot_be_trusted_is_not_used(fault, own_cache: Path, monkeypatch, tmp_path: Path):
    if fault == "open to others":
        own_cache.mkdir()
        own_cache.chmod(0o777)
    elif fault == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        own_cache.symlink_to(tmp_path / "elsewhere")
    elif fault == "a file":
        own_cache.write_text("")
    else:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    assert answer(native.load(SOURCE, cc())) == 42
    folder = native.cache_folder()
    assert tmp_path not in folder.parents
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(tmp_path.rglob("*.so"))


@needs_compiler
@pytest.mark.parametrize("fault", ["a link", "writable by others", "damaged", "empty"])
def test_a_library_that_cannot_be_trusted_or_loaded_is_made_again(fault, own_cache: Path, tmp_path: Path):
    native.load(SOURCE.replace("42", "1"), cc())
    (wrong,) = native.libraries()
    native.load(SOURCE, cc())
    (right,) = set(native.libraries()) - {wrong}
    right.unlink()
    if fault == "a link":
        right.symlink_to(wrong)
    elif fault == "writable by others":
        right.write_bytes(wrong.read_bytes())
        right.chmod(0o777)
    else:
        right.write_bytes(b"" if fault == "empty" else b"\x7fELF, but no more")
        right.chmod(0o700)
    cache._load.cache_clear()
    assert answer(native.load(SOURCE, cc())) == 42
    assert right.is_file()
    assert not right.is_symlink()
    assert right.stat().st_mode & 0o777 == 0o700


@needs_compiler
def test_a_full_folder_is_left_as_it_was(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert answer(native.load(SOURCE, cc())) == 42
    assert stored(own_cache) == []


WAIT_AND_LOAD = """
import sys, time
from pathlib import Path
from intspike import native
mine, both = Path(sys.argv[1]), Path(sys.argv[2])
cc = native.compiler()
mine.touch()
while not all((both / name).exists() for name in "ab"):
    time.sleep(0.001)
for k in range(20):
    source = f"int answer(void); int answer(void) {{ return {k}; }}"
    assert native.load(source, cc, ("-O0", "-fPIC", "-shared")).answer() == k
"""


@needs_compiler
def test_two_processes_compile_at_once(own_cache: Path, tmp_path: Path):
    command = [sys.executable, "-c", WAIT_AND_LOAD]
    running = [subprocess.Popen([*command, str(tmp_path / name), str(tmp_path)]) for name in "ab"]
    assert [p.wait(timeout=120) for p in running] == [0, 0]
    assert len(native.libraries()) == 20
    assert stored(own_cache) == list(native.libraries())


def test_a_temporary_folder_goes_with_its_process(tmp_path: Path):
    (tmp_path / "file").write_text("")
    code = (
        "import os; from intspike import native; folder = native.cache_folder(); print(folder)\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0); assert folder.is_dir()"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.split()[0]).exists()


# --- the compiler's report ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_the_report_tells_vector_loops_from_others(name: str, tmp_path: Path):
    if vectorizing_compiler(name) is None:
        pytest.skip(f"there is no {name} for a machine with AVX2")
    found = vectorized_lines(LOOPS, tmp_path, name=name)
    assert set(lines_with(LOOPS, "/* free */")) <= found
    assert not set(lines_with(LOOPS, "/* chained */")) & found
