"""`intspike demo`: the networks that travel with intspike, run, looked at and exported. Nothing is trained."""
