"""Several devices: two processes come to one network and one program, and precision never changes an integer."""

from __future__ import annotations

import copy
import sys
from functools import partial
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from halves import CONFIG, DATA, SMALL, network, noisy, same
from intspike import nn, train
from intspike.errors import BadInput, IntspikeError, MissingDependency
from intspike.nn import Network, quantize
from intspike.quant import LSQ, LearnedLevels, QuantConfig
from intspike.train import Epoch, Progress
from intspike.train.checkpoint import Keeper, write
from intspike.train.devices import Share
from intspike.train.loop import train as run
from intspike.train.state import begin
from small_networks import without_kernels
from two_devices import FailsAt, plan, train_all

pytest.importorskip("lightning_fabric")

LEARNED = QuantConfig(LSQ(3), LearnedLevels(3))


def grouped() -> Network:
    """A network that only torch's ops run: a convolution in groups; a norm behind it, and one before a pool."""
    torch.manual_seed(1)
    layers = [
        nn.Input(1 / 255), torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.MaxPool2d(2),
        nn.LIF(), torch.nn.Conv2d(4, 4, 1, groups=2), torch.nn.BatchNorm2d(4), nn.LIF(), torch.nn.Flatten(),
        torch.nn.Linear(16, 2), torch.nn.BatchNorm1d(2), nn.LIF(),
    ]  # fmt: skip
    return Network(torch.nn.Sequential(*layers))


def networks() -> dict[str, Network]:
    return {
        "quantized": quantize(network(0.3), CONFIG),
        "learned, with a teacher": quantize(network(), LEARNED),
        "by torch's ops": quantize(grouped(), CONFIG),
        "full precision, by torch's ops": grouped(),
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_process_comes_to_the_identical_program(tmp_path, monkeypatch):
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    monkeypatch.delenv("MASTER_PORT", raising=False)
    strategy = DDPStrategy(start_method="spawn", forward_sync_buffers=False)
    Fabric(accelerator="cpu", devices=2, strategy=strategy).launch(partial(train_all, tmp_path, networks()))
    for name, start in networks().items():
        for kind in (" program", "", " once"):
            first, second = ((tmp_path / f"{name} {rank}{kind}").read_bytes() for rank in range(2))
            assert first == second, name
        # sums of integers are exact in any order: what one device finds in a batch, two find
        two = load_file(tmp_path / f"{name} 0 once")
        one = run(plan(epochs=1, batch_size=200), start, Share()).state_dict()
        assert one.keys() == two.keys()
        norm = f"groups.{next(iter(start.groups))}.norm.running"
        found = [key for key in one if key.startswith(norm)]
        assert len(found) == 2
        for key in found:
            if start.quantized:
                assert torch.equal(one[key], two[key]), key
            assert torch.allclose(one[key], two[key], rtol=1e-5), key


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_train_tell_and_go_on_where_they_were_stopped(tmp_path):
    start = quantize(network(0.3), CONFIG)
    given: dict[str, Any] = {"devices": 2, "epochs": 2, "augment": noisy, "learning_rate": 0.02, **SMALL}
    history: list[Epoch] = []
    told: list[Progress] = []
    whole = train.fit(start, DATA, loss=FailsAt(0), history=history, progress=told.append, **given)
    assert [p.done for p in told] == list(range(1, 21))
    assert [e.epoch for e in history] == [1, 2]
    assert history[-1].validation == train.accuracy(whole, DATA.validation, timesteps=3)
    assert history[-1].loss < history[0].loss
    kept = tmp_path / "kept"
    with pytest.raises(Exception, match="killed"):
        train.fit(start, DATA, loss=FailsAt(13), checkpoint=kept, checkpoint_every=5, **given)
    again: list[Epoch] = []
    resumed = train.fit(
        start, DATA, loss=FailsAt(0), checkpoint=kept, checkpoint_every=5, history=again, **given
    )
    assert same(whole, resumed)
    assert again == history
    assert not resumed.training
    assert resumed.input_shape == (1, 4, 4)
    with pytest.raises(BadInput, match="devices: 2 there, 1 now"):
        train.fit(start, DATA, loss=FailsAt(0), checkpoint=kept, **{**given, "devices": 1})
    # an error of a process is that error here
    with pytest.raises(IntspikeError, match=r"must stay (finite|below)"):
        train.fit(start, DATA, **{**given, "learning_rate": 1e30, "epochs": 4})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_learn_what_one_learns():
    """Without dropout, which each process draws for itself, only the order of gradient sums differs."""
    start = quantize(network(), CONFIG)
    told: list[list[Epoch]] = []
    for devices in (1, 2):
        told.append([])
        train.fit(
            start,
            DATA,
            devices=devices,
            epochs=5,
            augment=noisy,
            learning_rate=0.02,
            history=told[-1],
            **SMALL,
        )
    one, two = told
    assert [e.loss for e in two] == pytest.approx([e.loss for e in one], rel=0.02)
    assert one[-1].validation > 0.9
    assert two[-1].validation > 0.9


@pytest.mark.parametrize("kernels", [True, False], ids=["compiled", "by torch's ops"])
def test_integers_opt_out_of_autocast(kernels, monkeypatch):
    if not kernels:
        without_kernels(monkeypatch)
    x = torch.from_numpy(DATA.train.batch(torch.arange(40).numpy(), 3))
    for config in (CONFIG, QuantConfig(weight=CONFIG.weight), QuantConfig(state=CONFIG.state)):
        net = quantize(network(), config).train()
        expected = copy.deepcopy(net).record(x)
        with torch.autocast("cpu", torch.bfloat16):
            found = copy.deepcopy(net).record(x)
        for name, spikes in expected.spikes.items():
            assert torch.equal(found.spikes[name], spikes), name
            for a, b in zip(found.states[name], expected.states[name], strict=True):
                assert torch.equal(a, b), name


def test_a_mixed_precision_trains_the_same_integers():
    start = quantize(network(0.3), CONFIG)
    whole = train.fit(start, DATA, epochs=1, **SMALL)
    assert same(whole, train.fit(start, DATA, epochs=1, precision="bf16-mixed", **SMALL))
    assert all(g.over_devices is None for g in whole.layers)


def test_full_precision_takes_part_in_autocast():
    x = torch.from_numpy(DATA.train.batch(torch.arange(40).numpy(), 3))
    net = grouped().train()
    expected = copy.deepcopy(net).record(x).states
    with torch.autocast("cpu", torch.bfloat16):
        found = copy.deepcopy(net).record(x).states
    assert any(not torch.equal(a[0], expected[name][0]) for name, a in found.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"devices": 3}, "a batch must divide evenly over devices, but 20 samples do not over 3"),
        ({"devices": 0}, "devices must be a number of processes, at least 1, not 0"),
        ({"devices": 1.5}, "devices must be a number of processes, at least 1, not 1.5"),
        ({"precision": "16-true"}, "precision must be one of 32-true, bf16-mixed, not '16-true'"),
        (
            {"devices": 2, "loss": lambda s, y: s.sum()},
            "on several devices loss must be something that can be sent",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(BadInput) as e:
        train.fit(network(), DATA, epochs=1, **{**SMALL, **arguments})
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_without_fabric_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingDependency, match=r"pip install 'intspike\[devices\]'"):
        train.fit(network(), DATA, epochs=1, devices=2, **SMALL)
    assert train.fit(network(), DATA, epochs=1, **SMALL)


def test_shares_cover_each_batch_and_split_once():
    shares = [Share(rank, 4) for rank in range(4)]
    x, labels = torch.arange(3 * 20).reshape(3, 20), torch.arange(20)
    parts = [s.part(x, labels) for s in shares]
    assert torch.equal(torch.cat([p[0] for p in parts], 1), x)
    assert torch.equal(torch.cat([p[1] for p in parts]), labels)
    split = DATA.validation.take(59)
    found = sorted(i.tobytes() for s in shares for i in s.samples(split).inputs)
    assert found == sorted(i.tobytes() for i in split.inputs)
    assert len({s.seed(7) for s in shares}) == 4
    assert shares[0].seed(-7) == -7


def test_every_process_takes_up_its_own_masks(tmp_path):
    net, states = network(0.3), [torch.Generator().manual_seed(k).get_state() for k in range(3)]
    state = begin(plan(), net)
    state.drawn = state.order.get_state(), torch.arange(200)
    write(tmp_path / "kept", state, torch.stack(states), {})
    with torch.random.fork_rng(devices=()):
        for rank in range(3):
            Keeper(tmp_path / "kept", None, {}).resume(plan(), begin(plan(), network(0.3)), Share(rank, 3))
            assert torch.equal(torch.get_rng_state(), states[rank])
