"""The SQUAT study: weights, membrane potentials and both at few bits, after training and in training."""
