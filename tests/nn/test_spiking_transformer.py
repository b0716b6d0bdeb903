"""The spiking vision transformer: what its attention computes, that it lowers exactly, and attention that cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intspike import models, nn
from intspike.errors import BadInput, NotLowerable
from intspike.ir import Conv, Join
from intspike.lower import lower, verify
from intspike.models.spiking_transformer import Attention
from intspike.quant import QuantConfig, ThresholdCentred, Uniform


def _small(**fields: int) -> nn.Network:
    torch.manual_seed(0)
    return models.spiking_transformer(5, width=6, image=12, patch=4, channels=2, **fields)


def _images(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 2, 12, 12), dtype=np.uint8)


def _seen(net: nn.Network) -> nn.Network:
    """Its norms have seen images and lift the currents, so that all layers fire."""
    for g in net.layers:
        assert g.norm is not None
        g.norm.bias.data.fill_(0.5)
    x = torch.from_numpy(_images(16))
    net.train()
    for _ in range(20):
        net(x.expand(3, *x.shape))
    return net


def test_attention_is_what_its_equation_says():
    """By loops over samples and channels: a channel passes where its sum over all tokens makes its neuron fire."""
    torch.manual_seed(1)
    net = nn.Network(
        torch.nn.Sequential(
            nn.Input(1, 1), torch.nn.Conv2d(3, 4, 1), nn.IF(), Attention(4, 3, 0.5), torch.nn.Conv2d(4, 2, 3), nn.IF()
        )
    ).eval()  # fmt: skip
    net.layers[0].modules_of_synapses[0].weight.data.mul_(5)
    for g in net.layers[:-1]:
        if g.norm is not None:
            g.norm.bias.data.fill_(-1.9 if "everywhere" in g.name else 0.9)
    spikes = net.record(torch.randint(0, 2, (1, 5, 3, 3, 3)).float()).spikes
    q, k, made = (spikes[f"layer_3_{n}_lif"][0] for n in ("query", "key", "everywhere"))
    for b in range(5):
        for c in range(4):
            total = sum(int(q[b, c, y, x]) & int(k[b, c, y, x]) for y in range(3) for x in range(3))
            assert (made[b, c] == float(total >= 3)).all()  # the same at every token
    assert 0 < made.mean() < 1


@pytest.mark.parametrize("layers", [1, 2])
def test_all_of_it_lowers_and_every_engine_agrees(layers: int):
    net = nn.quantize(_seen(_small(layers=layers)), QuantConfig(Uniform(4), ThresholdCentred(4))).eval()
    program = lower(net)
    assert sum(isinstance(n, Join) and n.kind == "and" for n in program) == 2 * layers
    wide = [n for n in program if isinstance(n, Conv) and n.weight.shape[2] == 5]
    assert len(wide) == layers
    assert all(len(np.unique(n.weight)) == 1 for n in wide)  # sums stay sums
    compared = verify(net, program, _images(), timesteps=3, samples=4, native_samples=4, c_samples=4)
    assert all(c.mismatches == 0 for c in compared)
    record = net.record(torch.from_numpy(_images()).expand(3, 4, 2, 12, 12))
    assert all(s.any() for name, s in record.spikes.items() if name.startswith("blocks"))
    unfolded = nn.unfold(net)  # all spikes are binary already
    assert torch.equal(unfolded(torch.from_numpy(_images()).expand(3, 4, 2, 12, 12)), record.output)


def test_everything_but_the_sums_takes_gradients():
    net = _small()
    x = torch.from_numpy(_images(16))
    net.train()
    net(x.expand(3, *x.shape)).sum().backward()
    for name, p in net.named_parameters():
        ones = p.ndim == 4 and p.shape[-1] == 5
        assert p.requires_grad != ones
        assert ones or p.grad is not None, name


class _DotProducts(torch.nn.Module):
    """Attention that multiplies matrices of spikes."""

    def __init__(self, how: str):
        super().__init__()
        self.how = how
        self.q, self.k = torch.nn.Conv2d(2, 4, 1), torch.nn.Conv2d(2, 4, 1)
        self.q_lif, self.k_lif = nn.LIF(), nn.LIF()

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.q_lif(self.q(x)).flatten(2), self.k_lif(self.k(x)).flatten(2)
        match self.how:
            case "@":
                return q @ k
            case "matmul":
                return torch.matmul(q, k)
            case "bmm":
                return q.bmm(k)
            case "einsum":
                return torch.einsum("bct,bcs->bts", q, k)
            case _:
                return F.scaled_dot_product_attention(q, k, k)


@pytest.mark.parametrize("how", ["@", "matmul", "bmm", "einsum", "scaled_dot_product_attention"])
def test_products_of_spike_matrices_are_refused_by_name_with_the_repair(how: str):
    with pytest.raises(NotLowerable, match=r"multiplies matrices of spikes.*models\.spiking_transformer"):
        nn.Network(_DotProducts(how))


def test_bad_sizes():
    with pytest.raises(BadInput, match="multiple of 4"):
        models.spiking_transformer(image=30)
    with pytest.raises(BadInput, match="width must be in"):
        models.spiking_transformer(width=0)
