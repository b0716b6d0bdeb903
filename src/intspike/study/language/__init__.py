"""A spiking language model: its recipe, and text from a stored one."""
