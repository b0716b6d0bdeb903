"""From an integer program to files: what other tools compile, synthesize or read."""
