"""`intspike energy`: what an inference of a stored program costs, and what others would cost in its place."""
