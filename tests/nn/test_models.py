"""Networks of the literature: their layers, and that they are ordinary networks."""

import torch

from intspike import models
from intspike.encode import direct


def test_squat_fmnist():
    torch.manual_seed(0)
    net = models.squat_fmnist(beta=0.5, classes=7).eval()
    assert [g.name for g in net.layers] == ["lif1", "lif2", "lif3"]
    shapes = [tuple(m.weight.shape) for g in net.layers for m in g.synapses]
    assert shapes == [(16, 1, 5, 5), (64, 16, 5, 5), (7, 1024)]
    assert [g.order for g in net.layers] == ["pool first"] * 3
    assert {float(g.neuron.beta.unique()) for g in net.layers} == {0.5}
    images = torch.randint(0, 256, (2, 1, 28, 28), dtype=torch.uint8)
    assert net(direct(images, 2)).shape == (2, 2, 7)
    assert net.input_shape == (1, 28, 28)
