"""snnTorch networks, imported: the installed tool itself is the judge, spike by spike."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import interop, nn
from intspike.errors import NotImportable
from intspike.lower import lower, verify
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

snn = pytest.importorskip("snntorch")


def exact(shape: tuple[int, ...], random: torch.Generator, most: int = 24) -> torch.Tensor:
    """Numbers k / 16: their sums of products are exact in float32 in any order, so no tie can differ."""
    return torch.randint(-most, most + 1, shape, generator=random) / 16


@st.composite
def neurons(draw: st.DrawFn, shape: tuple[int, ...], undelayed: bool = True) -> torch.nn.Module:
    """A Leaky whose every field that is supported is drawn."""

    def numbers(low: float, high: float) -> float | torch.Tensor:
        if draw(st.booleans()):
            return draw(st.floats(low, high, width=32))
        return torch.tensor(
            draw(st.lists(st.floats(low, high, width=32), min_size=shape[0], max_size=shape[0]))
        ).reshape(shape)

    reset = draw(st.sampled_from(["subtract", "zero", "none"]))
    delay = True if reset == "subtract" or not undelayed else draw(st.booleans())
    return snn.Leaky(
        numbers(0, 1), threshold=numbers(0.0625, 4), reset_mechanism=reset, reset_delay=delay,
        init_hidden=draw(st.booleans()), learn_beta=draw(st.booleans()), learn_threshold=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[torch.nn.Module], torch.Tensor]:
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    parts: list[torch.nn.Module] = []
    if draw(st.booleans()):
        x = exact((9, 3, 2, 6, 6), random)
        conv = torch.nn.Conv2d(2, 3, 3, padding=1)
        parts += [conv, *([torch.nn.MaxPool2d(2)] if draw(st.booleans()) else [])]
        parts += [draw(neurons((3, 1, 1))), torch.nn.AvgPool2d(len(parts) % 2 + 1), torch.nn.Flatten()]
        width = torch.nn.Sequential(*(p for p in parts if not isinstance(p, snn.SpikingNeuron)))(x[0]).shape[
            1
        ]
    else:
        x, width = exact((12, 4, 5), random), 5
    for outputs in draw(st.lists(st.integers(1, 6), min_size=1, max_size=2)):
        parts += [torch.nn.Linear(width, outputs, bias=draw(st.booleans())), draw(neurons((outputs,)))]
        width = outputs
    with torch.no_grad():
        for p in parts:
            if isinstance(p, (torch.nn.Linear, torch.nn.Conv2d)):
                for q in p.parameters():
                    q.copy_(exact(tuple(q.shape), random))
    return parts, x


def check_same(parts: list[torch.nn.Module], x: torch.Tensor):
    imported = interop.from_snntorch(parts)
    found = interop.agreement(imported, x)
    assert (found.differ, found.first) == (0, None), f"{found}\n{imported}"
    assert found.compared == sum(s.numel() for s in imported.network.record(x).spikes.values())


@given(networks())
@settings(max_examples=12, deadline=None)
def test_the_same_spikes(made: tuple[list[torch.nn.Module], torch.Tensor]):
    check_same(*made)


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(networks())
@settings(max_examples=300, deadline=None)
def test_the_same_spikes_over_many_networks(made: tuple[list[torch.nn.Module], torch.Tensor]):
    check_same(*made)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=6, deadline=None)
def test_any_weights_differ_in_ties_alone(seed: int):
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(20, 30), snn.Leaky(torch.rand(30), init_hidden=True),
        torch.nn.Linear(30, 10), snn.Lapicque(R=2.0, C=3.0, time_step=1, init_hidden=True, reset_mechanism="zero"),
    )  # fmt: skip
    found = interop.agreement(interop.from_snntorch(net), 4 * torch.rand(30, 8, 20))
    assert found.causes == found.ties


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize(("r", "c"), [(2.0, 4.0), (0.5, 4.0), (8.0, 0.5)])
def test_lapicque(reset: str, r: float, c: float):
    """time_step / C is a power of two, so that folding it into the weights rounds nothing."""
    random = torch.Generator().manual_seed(1)
    dense = torch.nn.Linear(6, 5)
    with torch.no_grad():
        for p in dense.parameters():
            p.copy_(exact(tuple(p.shape), random))
    imported = interop.from_snntorch([dense, snn.Lapicque(R=r, C=c, time_step=1, reset_mechanism=reset)])
    found = interop.agreement(imported, exact((40, 5, 6), random))
    assert found.differ == 0
    assert found.compared


def test_lapicque_says_that_its_beta_is_not_its_leak():
    imported = interop.from_snntorch([torch.nn.Linear(3, 2), snn.Lapicque(beta=0.5)])
    (leak,) = [c.theirs for c in imported.choices if c.field == "beta"]
    assert leak == "1 - time_step / (R C) = 0.306853"  # 1 - log 2, and not 0.5


def test_a_synaptic_without_its_current_is_a_leaky_that_zeroes_the_input_too():
    random = torch.Generator().manual_seed(2)
    for reset in ("subtract", "zero", "none"):
        dense = torch.nn.Linear(6, 5)
        with torch.no_grad():
            dense.weight.copy_(exact((5, 6), random))
            dense.bias.copy_(exact((5,), random))
        imported = interop.from_snntorch([dense, snn.Synaptic(alpha=0.0, beta=0.8, reset_mechanism=reset)])
        assert interop.agreement(imported, exact((40, 5, 6), random)).differ == 0


def test_a_difference_is_found_and_told_from_a_tie():
    torch.manual_seed(0)
    imported = interop.from_snntorch([torch.nn.Linear(6, 5), snn.Leaky(0.9)])
    x = 4 * torch.rand(20, 5, 6)
    assert interop.agreement(imported, x).differ == 0
    with torch.no_grad():
        imported.network.layers[0].neuron.theta[3] *= 1.5
    found = interop.agreement(imported, x)
    assert found.differ >= found.causes > found.ties == 0
    assert found.first is not None
    assert found.first[3] == (3,)


# --- by thread --------------------------------------------------------------------------------------------


def single(neuron: torch.nn.Module, current: float, steps: int = 20) -> interop.Imported:
    """One neuron under a constant current."""
    dense = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(dense.weight, current)
    imported = interop.from_snntorch([dense, neuron])
    assert interop.agreement(imported, torch.ones(steps, 1, 1)).differ == 0
    return imported


def test_issue_341_what_is_subtracted_does_not_leak():
    """snnTorch #341: the threshold is subtracted behind the leak, so beta does not multiply it."""
    imported = single(snn.Leaky(beta=0.8), 0.21 * 5)
    equation = imported.network.layers[0].neuron.equation
    assert (equation.reset, equation.reset_order) == ("subtract", "after leak")
    # u = 1.05, then 0.8 * 1.05 + 1.05 - 1 = 0.89, and not 0.8 * 0.05 + 1.05 = 1.09
    assert imported.network.record(torch.ones(2, 1, 1)).states["leaky_1"][0][1].item() == (
        pytest.approx(0.89)
    )


def test_issue_364_an_undelayed_reset_is_another_neuron():
    """snnTorch #364: reset_delay changes spikes; without delay the reset to zero has an equal, subtract none."""
    single(snn.Leaky(beta=0.8, reset_mechanism="zero", reset_delay=False), 0.7)
    with pytest.raises(NotImportable, match="reset_delay=False with subtract"):
        interop.from_snntorch([torch.nn.Linear(1, 1), snn.Leaky(0.8, reset_delay=False)])


def test_pull_379_soft_and_hard_resets_are_told_apart():
    made = {r: single(snn.Leaky(0.9, reset_mechanism=r), 0.45) for r in ("subtract", "zero", "none")}
    counts = {r: int(i.network(torch.ones(20, 1, 1)).sum()) for r, i in made.items()}
    assert counts["none"] > counts["subtract"] > counts["zero"] > 0


def test_issue_410_one_number_or_one_for_each_neuron():
    """snnTorch #410: scalar parameters break its NIR export; here both import, and wrong shapes are named."""
    for beta in (0.5, torch.tensor([0.5]), torch.full((3,), 0.5), torch.full((1, 3), 0.5)):
        net = interop.from_snntorch([torch.nn.Linear(2, 3), snn.Leaky(beta)]).network
        assert net.layers[0].neuron.beta.tolist() == [0.5] * 3
    with pytest.raises(NotImportable, match=r"3 channels \(\[C\]\), but has the shape \[4\]"):
        interop.from_snntorch([torch.nn.Linear(2, 3), snn.Leaky(torch.full((4,), 0.5))])
    with pytest.raises(NotImportable, match=r"\[C, 1, 1\]"):  # would broadcast along the width of the image
        interop.from_snntorch([torch.nn.Conv2d(1, 3, 3), snn.Leaky(torch.full((3,), 0.5))])
    with pytest.raises(NotImportable, match="the same in all places of a channel"):
        interop.from_snntorch([torch.nn.Conv2d(1, 3, 3), snn.Leaky(torch.rand(3, 4, 4))])


def test_pull_426_a_mechanism_that_was_changed_later_does_not_change_what_runs():
    """snnTorch #426: the setter of reset_mechanism leaves the function that resets as it was."""
    neuron = snn.Leaky(0.9, reset_mechanism="subtract")
    neuron.reset_mechanism = "zero"
    imported = single(neuron, 0.45)
    assert imported.network.layers[0].neuron.equation.reset == "subtract"
    assert "says 'zero', does 'subtract'" in str(imported)
    neuron.reset_delay = False
    with pytest.raises(NotImportable, match="changed after it was made"):
        interop.from_snntorch([torch.nn.Linear(1, 1), neuron])


# --- refusals ---------------------------------------------------------------------------------------------


class Tutorial(torch.nn.Module):
    """A loop over time in forward, as tutorials write it."""

    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = torch.nn.Linear(4, 3), snn.Leaky(0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem = self.lif1.reset_mem()
        for _ in range(5):
            spikes, mem = self.lif1(self.fc1(x), mem)
        return spikes


def test_a_forward_of_its_own_names_the_way_out():
    net = Tutorial()
    with pytest.raises(NotImportable, match=r"from_snntorch\(\[net\.fc1, net\.lif1\]\)"):
        interop.from_snntorch(net)
    assert interop.agreement(interop.from_snntorch([net.fc1, net.lif1]), torch.rand(9, 2, 4)).differ == 0


class Rounded(torch.nn.Linear):
    """Computes with other weights than it holds, as quantized layers do."""


def test_everything_that_has_no_equal_is_named_at_once():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [
            torch.nn.Linear(4, 4), snn.Synaptic(0.5, 0.5, reset_delay=False), torch.nn.Linear(4, 4),
            snn.Leaky(0.5, inhibition=True), Rounded(4, 4), snn.Leaky(0.5, state_quant=torch.round), torch.nn.GELU(),
            snn.Leaky(0.5, graded_spikes_factor=2.0), snn.Alpha(0.9, 0.8),
            snn.RLeaky(0.5, all_to_all=False, inhibition=True),
            snn.Leaky(0.5, spike_grad=lambda x: x.clamp(0, 1)), snn.Leaky(0.5, threshold=-1.0),
            snn.Lapicque(R=1.0, C=0.5, time_step=1),
        ]  # fmt: skip
    with pytest.raises(NotImportable) as caught:
        interop.from_snntorch(parts)
    message = str(caught.value)
    for layer, words in {
        "synaptic_1": "resets twice",
        "leaky_3": "inhibition=True lets one neuron",
        "rounded_4": "Rounded may compute another thing than Linear",
        "leaky_5": "state_quant must be what snntorch.functional.quant.state_quant makes",
        "gelu_6": "GELU is none of Linear",
        "leaky_7": "multiply the weights that read them",
        "alpha_8": "difference of two currents",
        "rleaky_9": "inhibition=True lets one neuron",
        "leaky_10": "spike_grad must be 1 above 0",
        "leaky_11": "threshold must be above 0",
        "lapicque_12": "must be in 0..1, not -1",
    }.items():
        (line,) = [x for x in message.splitlines() if x.startswith(f"  {layer}: ")]
        assert words in line


@pytest.mark.parametrize(
    "net", [torch.nn.Linear(2, 2), [torch.nn.Linear(2, 2)], [1], 3, torch.nn.Sequential()]
)
def test_no_network_is_refused(net: object):
    with pytest.raises(NotImportable, match="from_snntorch"):
        interop.from_snntorch(net)


def test_an_imported_network_is_quantized_lowered_and_verified():
    torch.manual_seed(3)
    parts = [torch.nn.Linear(16, 12), snn.Leaky(0.9), torch.nn.Linear(12, 4), snn.Leaky(torch.rand(4))]
    imported = interop.from_snntorch(parts, scale=1 / 255)
    images = torch.randint(0, 256, (20, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    theirs = interop.agreement(imported, images.expand(8, 20, 16))
    assert theirs.causes == theirs.ties
    net = nn.quantize(imported.network, QuantConfig(Uniform(4), ThresholdCentred(4))).eval()
    program = lower(net, input_shape=(16,))
    assert all(c.mismatches == 0 for c in verify(net, program, images.numpy(), timesteps=8))
    assert imported.network.layers[1].neuron.beta.tolist() == parts[3].beta.tolist()


def test_the_original_is_left_as_it_was():
    parts = [torch.nn.Linear(4, 3), snn.Lapicque(R=3.0, C=2.0, time_step=1)]
    before = [p.clone() for p in parts[0].parameters()]
    interop.agreement(interop.from_snntorch(parts), torch.rand(5, 2, 4))
    assert all(torch.equal(a, b) for a, b in zip(before, parts[0].parameters(), strict=True))
    assert parts[0].training


def test_what_people_try_first_is_answered():
    with pytest.raises(NotImportable, match="linear_2: the last part must be a layer of neurons"):
        interop.from_snntorch([torch.nn.Linear(4, 4), snn.Leaky(0.5), torch.nn.Linear(4, 2)])
    for given_ in ("net.pt", torch.nn.Linear(2, 2).state_dict()):
        with pytest.raises(NotImportable, match="build it and load its parameters first"):
            interop.from_snntorch(given_)
