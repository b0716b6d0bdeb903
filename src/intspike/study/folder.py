"""A run's folder: finished steps are kept whole, so a killed run resumes from the last of them."""

from __future__ import annotations

import csv
import errno
import io
import json
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadData, BadInput
from ..files import write_atomic

if TYPE_CHECKING:
    from torch import Tensor

_RUN = "run.json"


@contextmanager
def clear_disk_errors(path: Path, *, keeps: bool = True) -> Generator[None]:
    """A full disk, a folder that cannot be written or something in its place, said in one line.

    Args:
        path: of the results.
        keeps: whether what is finished is kept, so that the same command goes on from there.
    """
    try:
        yield
    except OSError as e:
        if e.errno == errno.ENOSPC:
            what = "the disk is full"
        elif e.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            what = "it is not allowed"
        elif e.errno in (errno.EEXIST, errno.ENOTDIR):
            what = f"{e.filename} is a file where a folder must be"
        elif e.errno == errno.EISDIR:
            what = f"{e.filename2 or e.filename} is a folder where a file must be"
        else:
            raise
        repair = "make room or choose another --out"
        if keeps:
            repair = f"nothing finished is lost: {repair}, and run the same command again"
        raise BadInput(f"results must be written to {path}, but {what}; {repair}") from e


def check_out(out: Path) -> None:
    """Refuse an output folder, before anything runs, in whose place or above which there is a file.

    Raises:
        BadInput: which file.
    """
    for folder in (out, *out.parents):
        if folder.is_dir():
            return
        if folder.exists():
            raise BadInput(
                f"results must be written to the folder {out}, but {folder} is a file where a folder must be; choose "
                "another --out"
            )


def check_new(out: Path, force: bool, *, file: bool = False) -> None:
    """Refuse, in a command's words, to write over what is there.

    Args:
        out: a folder, or a file.
        force: whether that is asked for.
        file: whether it is to be a file.

    Raises:
        BadInput: it exists (a folder: and is not empty), and `force` is not given.
    """
    if not force and ((file and out.is_file()) or (not file and out.is_dir() and any(out.iterdir()))):
        raise BadInput(
            f"the output must be new{'' if file else ' or empty'}, but {out} is not; choose another --out, or "
            "--force to replace what is there"
        )


def claim(out: Path, command: str, force: bool) -> None:
    """Make the output folder of a command that keeps nothing, and mark it as that command's own.

    Args:
        out: new, empty, or of an earlier run of the same command, whose files are replaced.
        command: its name.
        force: write into a folder that holds other files, too.

    Raises:
        BadInput: the folder is a file, or holds files of something else and `force` is not given.
    """
    check_out(out)
    marker = out / f"{command}.json"
    if not force and out.is_dir() and any(out.iterdir()) and not marker.is_file():
        raise BadInput(
            f"the output folder must be new, empty or an earlier {command}, but {out} holds other files; choose "
            "another --out, or --force to replace files of the same names"
        )
    write_json(marker, {"command": command})


def write_json(path: Path, value: Any) -> None:
    """A JSON file, atomically."""
    write_atomic(path, lambda p: p.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n"))


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8, atomically."""
    write_atomic(path, lambda p: p.write_text(text, encoding="utf-8"))


def write_csv(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """A table whose columns are the keys of its first line, atomically; None is left empty."""
    text = io.StringIO()
    if lines:
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    write_text(path, text.getvalue())


class RunFolder:
    """The folder of one run.

    Args:
        path: new, empty, or the folder of a run with the same options.
        options: what the run was asked for; a folder made with others is refused.
        force: delete what an earlier run left there.

    Raises:
        BadInput: the folder holds other files, or a run with other options.
    """

    def __init__(self, path: Path, options: Mapping[str, Any], force: bool = False):
        self.path = path
        marker = path / _RUN
        if path.exists() and not path.is_dir():
            raise BadInput(f"--out must be a folder, but {path} is a file; choose another")
        if path.is_dir() and any(path.iterdir()):
            self._check(marker, options, force)
        self._options = dict(options)

    def _check(self, marker: Path, options: Mapping[str, Any], force: bool) -> None:
        if not marker.exists():
            raise BadInput(
                f"the output folder must be new, empty or an earlier run, but {self.path} holds other files; choose "
                "another --out"
            )
        try:
            before = json.loads(marker.read_text())
        except ValueError:
            before = {}
        if force:
            shutil.rmtree(self.path)
        elif before != dict(options):
            changed = [k for k in {**before, **options} if before.get(k) != options.get(k)]
            listed = ", ".join(
                f"{k}: {before.get(k)!r} there, {options.get(k)!r} now" for k in sorted(changed)
            )
            raise BadInput(
                f"{self.path} holds a run with other options ({listed}); choose another --out, or --force to replace it"
            )

    # --- steps ------------------------------------------------------------------------------------------

    def _folder(self, step: str) -> Path:
        return self.path / "steps" / step

    def done(self, step: str) -> dict[str, Any] | None:
        """What a finished step recorded, or None."""
        record = self._folder(step) / "step.json"
        try:
            return json.loads(record.read_text())
        except FileNotFoundError:
            return None
        except ValueError as e:
            raise BadData(
                f"{record} must be JSON, but is damaged ({e}); delete that folder to repeat the step"
            ) from e

    def finish(
        self, step: str, record: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None
    ) -> None:
        """Keep a step: its record and, of a trained network, its parameters."""
        from safetensors.torch import save_file

        if not (self.path / _RUN).exists():  # a run that never began claims no folder
            write_json(self.path / _RUN, self._options)
        target = self._folder(step)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as scratch:
            made = Path(scratch) / "step"
            made.mkdir()
            if tensors is not None:
                save_file(
                    {k: t.detach().clone().contiguous() for k, t in tensors.items()},
                    made / "network.safetensors",
                )
            (made / "step.json").write_text(json.dumps(dict(record), indent=2, allow_nan=False))
            shutil.rmtree(target, ignore_errors=True)
            made.replace(target)

    def tensors(self, step: str) -> dict[str, Tensor]:
        """Parameters of a finished step."""
        from safetensors.torch import load_file

        path = self._folder(step) / "network.safetensors"
        try:
            return load_file(path)
        except Exception as e:  # safetensors raises its own type for damage
            raise BadData(
                f"{path} must be a checkpoint of this run, but is damaged ({e}); delete its folder"
            ) from e
