"""Draw docs/figures/gallery/: pictures of intspike's reports as SVG, each as its command draws it.

    python tools/make_gallery.py NAME REPORT "TITLE OF THE PICTURE" [--width 640]

Reports hold pictures as JSON of plotly with names for colours; here they become CSS variables, so that a picture is
light or dark as the reader's system is. Chromium, headless, runs the plotly of the report. docs/gallery.md has the
commands that make the reports.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "figures" / "gallery"
PANEL = re.compile(
    r'<h3>([^<]*)</h3>.*?<div class="figure".*?style="height: (\d+)px">\s*'
    r'<script type="application/json">(.*?)</script>',
    re.DOTALL,
)
THEMES = re.compile(r"(--(?:ink|muted|grid|paper|v\d)): (#[0-9a-f]{6})")


def picture(report: str, title: str) -> tuple[dict[str, object], int]:
    """The figure of a title and its height; the titles that exist where there is none."""
    found = {html.unescape(t): (json.loads(text), int(h)) for t, h, text in PANEL.findall(report)}
    if title not in found:
        raise SystemExit(f"the report has no picture {title!r}; it has: " + "; ".join(found))
    return found[title]


def marked(value: object, names: list[str]) -> object:
    """The figure with every named colour as a number that no figure uses: rgb(1, 2, k)."""
    match value:
        case dict():
            return {k: marked(v, names) for k, v in value.items()}
        case list():
            return [marked(v, names) for v in value]
        case str() if re.fullmatch(r"\$(\d|ink|muted|grid|paper)(/[\d.]+)?", value):
            name, _, opacity = value[1:].partition("/")
            name = f"v{name}" if name.isdigit() else name
            if name not in names:
                names.append(name)
            return f"rgba(1, 2, {names.index(name)}, {opacity or 1})"
        case _:
            return value


def svg(figure: object, height: int, width: int, plotly: str) -> str:
    """What plotly draws."""
    text = json.dumps(figure).replace("<", "\\u003c")  # cannot end the script that it stands in
    page = f"""<body><div id="place"></div><script>{plotly}</script><script>
      const figure = {text};
      Plotly.newPlot("place", figure.data, figure.layout).then((it) =>
        Plotly.toImage(it, {{format: "svg", width: {width}, height: {height}, imageDataOnly: true}})
      ).then((text) => {{ document.body.textContent = "BEGIN" + text + "END"; }});
    </script>"""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.html"
        file.write_text(page, encoding="utf-8")
        done = subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=9000",
                "--dump-dom", f"file://{file}",
            ],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
    return html.unescape(done.stdout.split("BEGIN", 1)[1].split("END", 1)[0])


def themed(drawn: str, names: list[str], report: str) -> str:
    """The picture with CSS variables for its colours, in the report's two themes."""
    for k, name in reversed(list(enumerate(names))):
        drawn = re.sub(rf"rgba?\(1, 2, {k}(, [\d.]+)?\)", f"var(--{name})", drawn)
    light, dark = (
        [*THEMES.findall(block)] for block in re.findall(r":root \{(.*?)\}", report, re.DOTALL)[:2]
    )
    rules = [";".join(f"{n}:{c}" for n, c in theme if n[2:] in names) for theme in (light, dark)]
    style = f"<style>svg{{{rules[0]}}}@media(prefers-color-scheme:dark){{svg{{{rules[1]}}}}}</style>"
    for number, chosen in enumerate(
        dict.fromkeys(re.findall(r'id="(?:clip|topdefs-|defs-)([0-9a-f]{6})', drawn))
    ):
        drawn = drawn.replace(chosen, f"p{number}")  # plotly's random name for the picture
    at = drawn.index(">") + 1
    return drawn[:at] + style + drawn[at:] + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of the file in docs/figures/gallery, without .svg")
    parser.add_argument("report", type=Path)
    parser.add_argument("title")
    parser.add_argument("--width", type=int, default=640)
    given = parser.parse_args()
    report = given.report.read_text("utf-8")
    figure, height = picture(report, given.title)
    names: list[str] = []
    plotly = max(re.findall(r"<script>(.*?)</script>", report, re.DOTALL), key=len)
    drawn = svg(marked(figure, names), height, given.width, plotly)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{given.name}.svg").write_text(themed(drawn, names, report), encoding="utf-8")


if __name__ == "__main__":
    main()
