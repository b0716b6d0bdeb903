"""Cells on disk: `cells/HASH/result.json`, written last and whole, beside the files of the cell."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ..folder import write_atomic, write_json
from .cell import Cell, Outcome, cell_hash, fields_of

RESULT = "result.json"
_HASH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Finished:
    """A cell that is settled.

    Attributes:
        cell, hash: which one.
        status: "done" or "failed".
        reason: of a failure, one line.
        record: what it measured; empty where it failed.
        seconds: how long it took.
        code: fingerprint of the intspike that made it.
    """

    cell: Cell
    hash: str
    status: Literal["done", "failed"]
    reason: str = ""
    record: Mapping[str, Any] | None = None
    seconds: float = 0.0
    code: str = ""


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """A hash of intspike's source: a failed cell is repeated when it changes."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".py", ".c")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class Store:
    """The cells of a folder. Only the process that holds the folder's lock writes.

    Args:
        path: the study's folder; grids of any options may share it, because a cell is found by its content.
    """

    def __init__(self, path: Path):
        self.path = path

    def folder(self, cell: Cell) -> Path:
        """Where a cell lies, finished or not."""
        return self.path / "cells" / cell_hash(cell)

    def read(self, cell: Cell) -> Finished | None:
        """A settled cell, or None: not there, cut short, altered, or of another cell.

        Files beside the record may be gone (a recorded study keeps none), but not altered.
        """
        folder = self.folder(cell)
        try:
            kept = json.loads((folder / RESULT).read_text("utf-8"))
            total = kept.pop("sum")
            whole = (
                total == _sum(kept)
                and kept["hash"] == folder.name
                and kept["cell"] == fields_of(cell)
                and all(
                    _digest((folder / n).read_bytes()) == d
                    for n, d in kept["files"].items()
                    if (folder / n).exists()
                )
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if not whole:
            return None
        return Finished(
            cell, kept["hash"], kept["status"], kept["reason"], kept["record"], kept["seconds"], kept["code"]
        )

    def has_files(self, cell: Cell) -> bool:
        """Whether the files of a finished cell are there, for those that start from it."""
        listed = json.loads((self.folder(cell) / RESULT).read_text("utf-8"))["files"]
        return all((self.folder(cell) / name).exists() for name in listed)

    def files(self, cell: Cell) -> dict[str, bytes]:
        """The files of a finished cell."""
        listed = json.loads((self.folder(cell) / RESULT).read_text("utf-8"))["files"]
        return {name: (self.folder(cell) / name).read_bytes() for name in listed}

    def keep(self, cell: Cell, outcome: Outcome, seconds: float) -> Finished:
        """Keep a finished cell: its files first, its record last.

        Raises:
            ValueError, TypeError: a record that JSON cannot hold (NaN, objects).
        """
        json.dumps(dict(outcome.record), allow_nan=False)
        return self._write(cell, "done", "", outcome.record, outcome.files, seconds)

    def keep_failure(self, cell: Cell, reason: str, seconds: float) -> Finished:
        """Keep the reason why a cell could not be computed."""
        return self._write(cell, "failed", reason, None, {}, seconds)

    def _write(
        self,
        cell: Cell,
        status: Literal["done", "failed"],
        reason: str,
        record: Mapping[str, Any] | None,
        files: Mapping[str, bytes],
        seconds: float,
    ) -> Finished:
        folder, code = self.folder(cell), code_fingerprint()
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier, damaged or failed cell
        for name, content in files.items():
            write_atomic(folder / name, lambda p, content=content: p.write_bytes(content))
        kept: dict[str, Any] = {
            "hash": folder.name,
            "cell": fields_of(cell),
            "status": status,
            "reason": reason,
            "record": None if record is None else json.loads(json.dumps(dict(record))),
            "files": {name: _digest(content) for name, content in files.items()},
            "seconds": round(seconds, 2),
            "code": code,
        }
        write_json(folder / RESULT, {**kept, "sum": _sum(kept)})
        return Finished(cell, folder.name, status, reason, kept["record"], kept["seconds"], code)

    def clean(self) -> None:
        """Remove what a killed study left: temporary files, and folders of cells without a result."""
        for folder in (self.path / "cells").glob("*"):
            if not (_HASH.fullmatch(folder.name) and folder.is_dir()):
                continue
            if not (folder / RESULT).exists():
                shutil.rmtree(folder)
                continue
            for leftover in folder.glob(".*"):
                leftover.unlink()


def _sum(kept: Mapping[str, Any]) -> str:
    return _digest(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
