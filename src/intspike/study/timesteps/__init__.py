"""The timestep study: where timesteps pay, in accuracy, latency, operations and energy."""
