"""What long work tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable


class Watch:
    """Told of progress; the command line draws it, the default is silent."""

    def start(self, task: str, total: int) -> Callable[[int, str], None]:
        """Begin a task of so many parts; the result is called with (parts done, a few words)."""
        return lambda done, words: None

    def say(self, text: str) -> None:
        """A line for people."""
