"""Commands that meet other tools: import, diff, vectors, exports, and what a file of theirs means."""
