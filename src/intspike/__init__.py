"""intspike: from a spiking network to exact integers."""
