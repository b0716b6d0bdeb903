"""Integer networks as maps: the sweep of random ones, and the analysis of one program."""
