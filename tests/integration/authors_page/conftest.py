"""The page for authors in a real browser, before the real server."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving.process import running
from tagnet.bundle import load_network, read_bundle
from tagnet.export.onnx import write_onnx
from tagnet.records.taxonomy import load_taxonomy
from tagnet.training.fit import Run

PATIENCE_MS = 60_000
"""For machines that are busy with something else; a page that works needs none of it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Not for longer than a module: Playwright keeps an event loop running, beside which no other can run."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("TAGNET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium here; TAGNET_CHROMIUM names one")
    playwright_api.expect.set_options(timeout=PATIENCE_MS)
    with playwright_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "annotations.jsonl"


@pytest.fixture(scope="session")
def exported(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with the embedded taxonomy, for aliases to search."""
    folder = tmp_path_factory.mktemp("exported")
    bundle = read_bundle(small_run.dir / "bundle")
    with as_file(files("tagnet.corpus") / "tags.json") as path:
        bundle = replace(bundle, taxonomy=load_taxonomy(path))
    write_onnx(bundle, load_network(bundle), folder)
    return folder


@pytest.fixture(scope="session")
def url(exported: Path, stored: Path) -> Iterator[str]:
    words = ("--threads", "1", "--annotations", str(stored))
    with running(exported, stored.with_name("log.txt"), *words) as server:
        yield f"http://127.0.0.1:{server.port}/"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of which nothing went wrong unseen, and that asked nobody else."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("request", lambda request: hosts.add(re.sub(r"^\w+://([^:/]*).*", r"\1", request.url)))
    yield page
    context.close()
    assert wrong == []
    assert hosts == {"127.0.0.1"}
