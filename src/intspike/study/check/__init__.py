"""`intspike check`: what a model will become on hardware, before it is trained."""
