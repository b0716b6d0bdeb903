"""`intspike compare`: how differently two networks fire on the same samples, in numbers and pictures."""
