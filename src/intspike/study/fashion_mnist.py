"""`intspike run fashion-mnist`: from a spiking network on real images to exact integers in C."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .. import data, models, train
from ..export.c import export_c
from ..ir import Program
from ..ir.artifact import save
from ..lower import Lowering, lower_with_report, verify
from ..measure import size_bits
from ..native import compiler
from ..nn import Network, calibrate, quantize
from ..train.fit import history_to_dict
from .fashion_mnist_measure import measure
from .fashion_mnist_report import content
from .fashion_mnist_result import MAIN, NAME, REFERENCE, VARIANTS, Options, Result, Variant
from .folder import RunFolder, clear_disk_errors, write_atomic, write_json
from .report import write_report
from .trained_for import noted
from .watch import Watch


def run(
    options: Options, out: Path, *, force: bool = False, watch: Watch | None = None
) -> Result | dict[str, Any]:
    """Run the recipe into a folder; a finished run with the same options is only read again.

    Returns:
        The result, or the summary of a run that was finished before.

    Raises:
        Divergence: an engine disagrees with torch in any spike or stored code.
        BadInput, BadData: options, data or the folder cannot be used.
    """
    with clear_disk_errors(out):
        folder = RunFolder(out, {"recipe": NAME, **asdict(options)}, force)
        finished = folder.done("finished")
        if finished is not None and (out / "summary.json").exists():
            return finished
        return _Run(options, folder, watch or Watch()).all()


class _Run:
    def __init__(self, options: Options, folder: RunFolder, watch: Watch):
        self.options, self.folder, self.watch = options, folder, watch
        self.seconds: dict[str, float] = {}
        self.timesteps = min(options.timesteps, 8) if options.quick else options.timesteps
        self.epochs = min(options.epochs, 2) if options.quick else options.epochs
        self.dataset = data.fashion_mnist(options.data, seed=options.seed)
        if options.quick:
            self.dataset = data.subset(self.dataset, 2000, 500, 500)

    def all(self) -> Result:
        torch.manual_seed(self.options.seed)
        networks = {REFERENCE: self._trained(REFERENCE, lambda: self._fit(models.squat_fmnist(), REFERENCE))}
        for v in VARIANTS:
            start = quantize(networks[REFERENCE], v.config)
            networks[v.name] = self._trained(v.name, partial(self._make, v, start))
        programs: dict[str, Program] = {}
        lowerings: dict[str, Lowering] = {}
        exact: list[dict[str, Any]] = []
        for v in VARIANTS:
            programs[v.name], lowerings[v.name] = lower_with_report(
                networks[v.name], input_shape=self.dataset.frame
            )
            self.watch.say(f"{v.name}: lowered\n{lowerings[v.name]}")
            exact += self._verify(v, networks[v.name], programs[v.name])
        result = self._measure(networks, programs, lowerings, exact)
        self._write(result)
        return result

    # --- networks ---------------------------------------------------------------------------------------

    def _trained(self, name: str, make: Callable[[], tuple[Network, list[train.Epoch]]]) -> Network:
        """A network of a finished step, or a new one that is then kept."""
        record = self.folder.done(name)
        if record is not None:
            self.seconds[name] = record["seconds"]
            net = models.squat_fmnist()
            for v in VARIANTS:
                if v.name == name:
                    net = quantize(net, v.config)
            net.load_state_dict(self.folder.tensors(name))
            self.watch.say(f"{name}: taken from the earlier run")
            return net.eval()
        began = time.perf_counter()
        net, history = make()
        self.seconds[name] = time.perf_counter() - began
        self.folder.finish(
            name, {"seconds": self.seconds[name], "history": history_to_dict(history)}, net.state_dict()
        )
        return net

    def _fit(self, net: Network, name: str) -> tuple[Network, list[train.Epoch]]:
        history: list[train.Epoch] = []
        batches = self.epochs * (
            len(self.dataset.train) // min(self.options.batch_size, len(self.dataset.train))
        )
        tell = self.watch.start(f"train {name}", batches)

        def progress(p: train.Progress) -> None:
            words = f"loss {p.loss:.3f}"
            if p.last is not None:
                words += f", validation {p.last.validation:.1%} after epoch {p.last.epoch}"
            tell(p.done, words)

        net = train.fit(
            net,
            self.dataset,
            epochs=self.epochs,
            batch_size=self.options.batch_size,
            timesteps=self.timesteps,
            seed=self.options.seed,
            loss=train.CountCrossEntropy("steps" if self.options.loss == "steps" else "counts"),
            progress=progress,
            history=history,
        )
        tell(batches, f"validation {max(e.validation for e in history):.1%}")
        return net, history

    def _make(self, variant: Variant, start: Network) -> tuple[Network, list[train.Epoch]]:
        if variant.trained:
            return self._fit(start, variant.name)
        tell = self.watch.start(f"calibrate {variant.name}", 10)
        net = calibrate(
            start,
            self.dataset,
            timesteps=self.timesteps,
            seed=self.options.seed,
            progress=lambda done, of: tell(done * 10 // of, ""),
        )
        return net, []

    # --- proof ------------------------------------------------------------------------------------------

    def _verify(self, variant: Variant, net: Network, program: Program) -> list[dict[str, Any]]:
        began = time.perf_counter()
        c_folder = self._program_folder(variant) / "c"
        export_c(program, c_folder, force=True)
        count = len(self.dataset.test)
        tell = self.watch.start(f"verify {variant.name}", count)
        comparisons = verify(
            net,
            program,
            self.dataset,
            timesteps=self.timesteps,
            samples=64,
            c_samples=64 if compiler() is not None else 0,
            c_folder=c_folder,
            progress=lambda what, done, of: tell(done, what),
        )
        tell(count, f"{sum(c.compared for c in comparisons):,} integers, 0 differ")
        self.seconds[f"verify {variant.name}"] = time.perf_counter() - began
        return [{"variant": variant.name, **asdict(c)} for c in comparisons]

    def _program_folder(self, variant: Variant) -> Path:
        return self.folder.path if variant.name == MAIN else self.folder.path / variant.name

    # --- measures ---------------------------------------------------------------------------------------

    def _measure(
        self,
        networks: dict[str, Network],
        programs: dict[str, Program],
        lowerings: dict[str, Lowering],
        exact: list[dict[str, Any]],
    ) -> Result:
        began = time.perf_counter()
        made = measure(networks, programs, self.dataset.test, self.timesteps, self.watch)
        self.seconds["measure"] = time.perf_counter() - began
        drifts = {v.name: made.drift(REFERENCE, v.name) for v in VARIANTS}
        summary = {
            "recipe": NAME,
            "data": self.dataset.source,
            "test_images": len(self.dataset.test),
            "options": asdict(self.options),
            "timesteps": self.timesteps,
            "epochs": self.epochs,
            "accuracy": {name: a["value"] for name, a in made.accuracy.items()},
            "accuracy_interval": made.accuracy,
            "exact": exact,
            "lowering": {name: x.to_dict() for name, x in lowerings.items()},
            "size_bits": {name: size_bits(p).to_dict() for name, p in programs.items()},
            "firing": {name: d.to_dict() for name, d in drifts.items()},
            "synops": {name: n.to_dict() for name, n in made.synops.items()},
            "codec": {v.name: getattr(v.config.state, "stores", "") for v in VARIANTS},
            "seconds": {
                **{k: round(s, 2) for k, s in self.seconds.items()},
                "total": round(sum(self.seconds.values()), 2),
            },
            "compiler": compiler() is not None,
        }
        return Result(summary, networks, programs, lowerings, self.dataset, self.options, made.firing, drifts)

    # --- files ------------------------------------------------------------------------------------------

    def _write(self, result: Result) -> None:
        tell = self.watch.start("write", 1)
        for v in VARIANTS:
            folder = self._program_folder(v)
            folder.mkdir(parents=True, exist_ok=True)
            program = noted(result.programs[v.name], self.timesteps)
            save(program, folder / "model.intspike")
            write_atomic(folder / "program.txt", lambda p, text=str(program): p.write_text(text))
        histories = {name: (self.folder.done(name) or {}).get("history", []) for name in result.networks}
        write_report(self.folder.path / "report.html", content(result, histories, self.timesteps))
        write_json(self.folder.path / "summary.json", result.summary)
        self.folder.finish("finished", result.summary)
        tell(1, str(self.folder.path / "report.html"))
