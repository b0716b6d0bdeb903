"""The drift study: what quantizers, ranges and bits do to firing rates behind an equal accuracy (arXiv 2604.14487)."""
