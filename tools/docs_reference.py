"""The reference pages of the documentation, one a part of intspike, made while mkdocs builds (its `hooks`).

A page names what the part's `__init__.py` gives out, or what PARTS lists where it gives out nothing; mkdocstrings
fills it from the docstrings. No page is stored, so none can fall behind the code.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1] / "src" / "intspike"

# Every part, in the order in which a network goes through them. Names are those of `__init__.py`, or these.
PARTS: dict[str, tuple[str, Sequence[str]]] = {
    "data": ("Data sets", ()),
    "encode": ("Encoders", ()),
    "models": ("Models", ()),
    "nn": ("Networks", ()),
    "neuron": ("Neurons", ()),
    "quant": ("Quantizers", ("levels.even", "levels.curved")),
    "train": ("Training and losses", ()),
    "interop": ("Networks of other tools", ()),
    "lower": ("Lowering and verification", ()),
    "ir": ("The integer program", ("artifact.save", "artifact.load", "artifact.content_hash")),
    "engine": (
        "Engines",
        (
            "reference.run", "reference.Session", "native.run", "stepwise.Session", "exported.run", "early_exit.run",
            "early_exit.choose", "early_exit.Exits", "trace.Trace", "compare.compare", "compare.Comparison",
            "trace_text.write_trace", "trace_text.read_trace", "vectors.write_vectors", "generate.generate",
            "generate.bits_per_token", "generate.Language", "generate.with_language",
        ),
    ),
    "export": (
        "Exports",
        ("c.export_c", "c.c_size", "arrays.export_arrays", "nir.export_nir", "nir_graph.Snap", "onnx.export_onnx"),
    ),
    "measure": ("Measures", ("codes.decay", "codes.stuck_codes")),
    "measure.energy": ("Energy", ()),
    "dynamics": ("Dynamics", ()),
    "pretrained": ("Networks that travel along", ()),
    "ops": ("Scalar ops", ("trace.Builder", "trace.Value", "table.Op")),
    "native": ("Compiled code", ()),
    "errors": ("Errors", ()),
}  # fmt: skip


def given_out(part: str) -> list[str]:
    """What a part gives out: `__all__`, else what its file imports or defines by a public name."""
    path = SOURCE.joinpath(*part.split("."))
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8"))
    found: list[str] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
            case ast.ImportFrom(module=str(), level=1, names=names):
                found += [n.asname for n in names if n.asname == n.name]
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) if not name.startswith("_"):
                found.append(name)
            case _:
                pass
    return found


def names(part: str) -> list[str]:
    """The full names that the page of a part describes, in the order of its text."""
    listed = given_out(part)
    below = [name for name in PARTS[part][1] if name.rpartition(".")[2] not in listed]
    inside = SOURCE.joinpath(*part.split("."))
    # a function named as its file is given by both names, or its page would be that of the file
    own = [f"{name}.{name}" if (inside / f"{name}.py").exists() else name for name in listed]
    return [f"intspike.{part}.{name}" for name in (*own, *below)]


def page(part: str) -> str:
    """The text of a reference page."""
    title, _ = PARTS[part]
    head = [
        f"# {title}: `intspike.{part}`\n",
        f"::: intspike.{part}\n    options: {{members: false, show_root_heading: false, show_root_toc_entry: false}}\n",
    ]
    return "\n".join(head + [f"::: {name}\n" for name in names(part)])


def on_files(files: Any, config: Any) -> Any:
    """mkdocs asks for more files: the pages."""
    from mkdocs.structure.files import File

    for part in PARTS:
        files.append(File.generated(config, f"reference/{part}.md", content=page(part)))
    return files
