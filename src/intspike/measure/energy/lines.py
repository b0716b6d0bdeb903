"""In which line of a TOML file something stands, which `tomllib` does not say."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ...errors import BadData


@dataclass(frozen=True)
class TomlText:
    """The text of a file of `[[entry]]` tables; `place` names it in errors."""

    text: str
    place: str

    def wrong(self, message: str, there: Callable[[dict[str, Any]], Any] | None = None) -> BadData:
        """An error at the first line up to which `there` holds; at the end where that is nowhere."""
        lines = self.text.rstrip().split("\n")
        for k in range(1, len(lines) + 1) if there is not None else ():
            try:
                so_far = tomllib.loads("\n".join(lines[:k]), parse_float=Decimal)
            except tomllib.TOMLDecodeError:
                continue  # inside a value of several lines
            if there is not None and there(so_far):
                return BadData(f"{self.place}, line {k}: {message}")
        return BadData(f"{self.place}, line {len(lines)}: {message}")

    def at(self, entry: int, key: str | None, message: str) -> BadData:
        """An error at a key of an entry; at its head where it lacks the key."""
        whole = tomllib.loads(self.text, parse_float=Decimal)["entry"][entry]
        within = key if key in whole else None

        def there(found: dict[str, Any]) -> bool:
            entries = found.get("entry", [])
            return len(entries) > entry and (within is None or within in entries[entry])

        return self.wrong(message, there)
