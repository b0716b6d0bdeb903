"""Speed and memory against other packages on the same work: `make bench`, or `python -m benchmarks --help`.

`catalog` lists what is measured and the goals, one file a piece of work measures it, `harness` times, `results` keeps
the rows and prints the table. Every benchmark runs in its own process; inside it ours and the peers take turns.
"""
