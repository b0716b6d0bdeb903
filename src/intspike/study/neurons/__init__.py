"""The neuron study: ordinary, integer and adaptive neurons in the same networks."""
