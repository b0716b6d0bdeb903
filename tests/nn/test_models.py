"""Networks of the literature: their layers, and that they are ordinary networks."""

import pytest
import torch

from intspike import models
from intspike.errors import BadInput
from intspike.ir import Dense
from intspike.lower import lower
from intspike.nn import quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform


def shapes(net) -> list[tuple[int, ...]]:
    return [tuple(m.weight.shape) for g in net.layers for m in g.synapses]


def dropouts(net) -> list[float]:
    return [s.module.p for s in net.steps if s.kind == "dropout"]


def test_squat_fmnist():
    torch.manual_seed(0)
    net = models.squat_fmnist(beta=0.5, classes=7).eval()
    assert [g.name for g in net.layers] == ["lif1", "lif2", "lif3"]
    assert shapes(net) == [(16, 1, 5, 5), (64, 16, 5, 5), (7, 1024)]
    assert [g.order for g in net.layers] == ["pool first"] * 3
    assert {float(g.neuron.beta.unique()) for g in net.layers} == {0.5}
    assert dropouts(net) == []
    assert (net.input.scale, net.input.high) == (1 / 255, 255)
    images = torch.randint(0, 256, (2, 2, 1, 28, 28), dtype=torch.uint8)
    assert net(images).shape == (2, 2, 7)
    assert net.input_shape == (1, 28, 28)


def test_squat_dvs():
    torch.manual_seed(0)
    net = models.squat_dvs().eval()
    assert shapes(net) == [(16, 2, 5, 5), (32, 16, 5, 5), (11, 800)]
    assert dropouts(net) == [0.2]
    assert (net.input.scale, net.input.high) == (1, 1)
    assert net(torch.randint(0, 2, (3, 2, 2, 32, 32), dtype=torch.uint8)).shape == (3, 2, 11)
    other = models.squat_dvs(classes=10, channels=3, image=34, high=4, dropout=0.0, beta=0.25).eval()
    assert shapes(other) == [(16, 3, 5, 5), (32, 16, 5, 5), (10, 800)]
    assert (other.input.scale, other.input.high) == (0.25, 4)
    assert {float(g.neuron.beta.unique()) for g in other.layers} == {0.25}
    assert other(torch.randint(0, 5, (3, 2, 3, 34, 34), dtype=torch.uint8)).shape == (3, 2, 10)


def test_squat_shd():
    torch.manual_seed(0)
    net = models.squat_shd().eval()
    assert shapes(net) == [(1000, 700), (20, 1000)]
    assert [g.norm is not None for g in net.layers] == [True, True]
    assert dropouts(net) == [0.2]
    assert net(torch.randint(0, 2, (4, 2, 700), dtype=torch.uint8)).shape == (4, 2, 20)
    other = models.squat_shd(beta=0.5, classes=10, inputs=28, hidden=9, high=255, dropout=0.0)
    assert shapes(other) == [(9, 28), (10, 9)]
    assert dropouts(other) == []
    assert {float(g.neuron.beta.unique()) for g in other.layers} == {0.5}


@pytest.mark.parametrize(("image", "side"), [(16, 1), (17, 1), (18, 1), (20, 2), (28, 4), (34, 5), (128, 29)])
@pytest.mark.parametrize("model", [models.squat_fmnist, models.squat_dvs])
def test_images_of_any_size_from_16_on(model, image, side):
    net = model(image=image, channels=1, high=1).eval()
    features = net.layers[1].modules_of_synapses[0].weight.shape[0]
    assert net.layers[2].modules_of_synapses[0].in_features == features * side * side
    assert net(torch.ones(1, 1, 1, image, image, dtype=torch.uint8)).shape[:2] == (1, 1)
    with pytest.raises(BadInput, match="image must be at least 16"):
        model(image=15)


@pytest.mark.parametrize("join", ["add", "and", "iand"])
def test_sew_resnet_8(join):
    torch.manual_seed(0)
    net = models.sew_resnet_8(7, join, width=4, beta=0.25, channels=2, image=16, high=3).eval()
    assert shapes(net) == [
        (4, 2, 3, 3),
        (4, 4, 3, 3), (4, 4, 3, 3),
        (8, 4, 3, 3), (8, 8, 3, 3), (8, 4, 1, 1),
        (16, 8, 3, 3), (16, 16, 3, 3), (16, 8, 1, 1),
        (7, 16),
    ]  # fmt: skip
    assert {float(g.neuron.beta.unique()) for g in net.layers} == {0.25}
    assert (net.input.scale, net.input.high) == (1 / 3, 3)
    joins = [s for s in net.steps if s.kind in ("add", "and", "iand")]
    assert [(s.name, s.kind, s.inputs) for s in joins] == [
        ("block1_1_join", join, ("block1_1_lif2", "lif")),
        ("block2_1_join", join, ("block2_1_lif2", "block2_1_shortcut_lif")),
        ("block3_1_join", join, ("block3_1_lif2", "block3_1_shortcut_lif")),
    ]
    assert net(torch.randint(0, 4, (2, 3, 2, 16, 16), dtype=torch.uint8)).shape == (2, 3, 7)


def test_sew_resnet_18():
    net = models.sew_resnet_18(width=2)
    assert (
        len(shapes(net)) == 1 + 8 * 2 + 3 + 1
    )  # a stem, eight blocks of two, three shortcuts, a dense layer
    assert [s[0] for s in shapes(net)] == [2] * 5 + [4] * 5 + [8] * 5 + [16] * 5 + [10]
    joins = [s.inputs[1] for s in net.steps if s.kind == "add"]
    assert joins[:3] == ["lif", "block1_1_join", "block2_1_shortcut_lif"]
    assert shapes(models.sew_resnet_18(100))[-1] == (100, 512)


@pytest.mark.parametrize(("model", "by"), [(models.sew_resnet_8, 4), (models.sew_resnet_18, 8)])
def test_residual_networks_take_images_that_their_strides_divide(model, by):
    assert model(width=1, image=by)(torch.ones(1, 1, 3, by, by, dtype=torch.uint8)).shape == (1, 1, 10)
    for image in (0, by // 2, by + 2):
        with pytest.raises(BadInput, match=f"image must be a multiple of {by}, so that every stride"):
            model(image=image)
    with pytest.raises(BadInput, match="a join must be one of add, and, iand"):
        model(join="xor")


@pytest.mark.parametrize("model", [models.squat_fmnist, models.squat_dvs, models.squat_shd])
def test_they_quantize_and_lower(model):
    net = quantize(model(high=1), QuantConfig(Uniform(4), ThresholdCentred(4))).eval()
    frame = (
        (700,) if model is models.squat_shd else (net.layers[0].modules_of_synapses[0].in_channels, 32, 32)
    )
    if model is models.squat_fmnist:
        frame = (1, 28, 28)
    program = lower(net, input_shape=frame)
    assert (program.input.low, program.input.high, program.input.shape) == (0, 1, frame)
    assert [n.name for n in program.neurons] == [g.name for g in net.layers]


def test_a_recurrent_network_lowers_with_its_feedback():
    torch.manual_seed(0)
    net = models.recurrent(beta=0.5, classes=3, inputs=5, hidden=7)
    assert net(torch.randint(0, 2, (4, 2, 5), dtype=torch.uint8)).shape == (4, 2, 3)
    program = lower(quantize(net, QuantConfig(Uniform(4), ThresholdCentred(4))).eval(), input_shape=(5,))
    reads = [e.delay for n in program if isinstance(n, Dense) for e in n.edges if e.source == "recurrent"]
    assert sorted(reads) == [0, 1]
