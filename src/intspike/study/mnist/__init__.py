"""`intspike run mnist`: the MNIST timestep study's networks, at full and at few bits, and a research report."""
