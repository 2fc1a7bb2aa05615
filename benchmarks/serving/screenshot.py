"""The picture of the authors' page in the README: the real page, server and suggestions.

    python -m benchmarks.serving.screenshot EXPORT docs/images/authors-page.png

EXPORT is a bundle or a folder of `tagnet export --to onnx`. Needs playwright and a Chromium; TAGNET_CHROMIUM names one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.serving.process import running

TITLE = "Ask your PDFs"
DESCRIPTION = (
    "A command-line tool that splits PDF files into passages, embeds them with a sentence transformer, and answers "
    "questions about them with a local language model. It cites the pages that it used."
)


def draw(export: Path, picture: Path) -> None:
    """Serve the export, write a text on the page, ask why, and photograph it."""
    chromium = os.environ.get("TAGNET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        words = ("--annotations", f"{folder}/annotations.jsonl")
        with running(export, Path(folder) / "log.txt", *words) as server:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1120, "height": 640})
            page.goto(f"http://127.0.0.1:{server.port}/")
            page.fill("#feature-title", TITLE)
            page.fill("#feature-description", DESCRIPTION)
            page.click("#chosen .why >> nth=0")
            page.wait_for_selector("#why-words:not([hidden])")
            page.mouse.move(0, 0)
            page.screenshot(path=picture, full_page=True)
            browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("picture", type=Path)
    words = parser.parse_args()
    draw(words.export, words.picture)


if __name__ == "__main__":
    main()
