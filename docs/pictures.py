"""Draw the pictures of the README into docs/pictures: a terminal and the published page.

Usage: ``python docs/pictures.py``, from a checkout with Chromium and Playwright. The terminal shows what
``lstm-bench report results/mnist`` prints in 80 columns.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURES = Path(__file__).with_name("pictures")
COMMAND = ("lstm-bench", "report", "results/mnist")
COLUMNS = 80

FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own format, without the fonts that it takes from a server."""


def on_terminal(command: tuple[str, ...]) -> str:
    """What a command prints on a terminal of ``COLUMNS`` columns, colours included."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [Path(sys.executable).with_name(command[0]), *command[1:]], cwd=ROOT, stdout=theirs, env=environment
    ) as running:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            found += part
        if running.wait():
            raise SystemExit(f"{' '.join(command)} failed")
    os.close(ours)
    return found.decode().replace("\r\n", "\n")


def draw_terminal(text: str) -> str:
    """An SVG of a terminal with this text under the command."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text(f"$ {' '.join(COMMAND)}", style="bold"))
        console.print(Text.from_ansi(text))
        return console.export_svg(title="lstm-bench", theme=DIMMED_MONOKAI, code_format=FORMAT, unique_id="terminal")


def draw_page(to: Path) -> None:
    """A picture of the top of the published page."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto((ROOT / "results" / "index.html").as_uri())
        page.screenshot(path=to)
        browser.close()


def main() -> None:
    """Write both pictures."""
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "terminal.svg").write_text(draw_terminal(on_terminal(COMMAND)))
    draw_page(PICTURES / "page.png")


if __name__ == "__main__":
    main()
