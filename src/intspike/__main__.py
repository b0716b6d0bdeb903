"""`python -m intspike` is `intspike`."""

from __future__ import annotations

from .cli import main

main()
