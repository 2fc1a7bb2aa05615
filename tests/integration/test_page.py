"""The page for authors in a real browser, against the real server: with mouse, keyboard, token and trouble."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.serving.process import running
from tagnet.bundle import load_network, read_bundle
from tagnet.export.onnx import write_onnx
from tagnet.records.taxonomy import load_taxonomy
from tagnet.training.fit import Run

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("TAGNET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; TAGNET_CHROMIUM names one"),
]
expect = playwright_api.expect
TITLE, DESCRIPTION = "#feature-title", "#feature-description"
TEXT = "A PyTorch library for computer vision, with transformers and deep learning on images"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "annotations.jsonl"


@pytest.fixture(scope="module")
def exported(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with the embedded taxonomy, for aliases to search."""
    folder = tmp_path_factory.mktemp("exported")
    bundle = read_bundle(small_run.dir / "bundle")
    with as_file(files("tagnet.corpus") / "tags.json") as path:
        bundle = replace(bundle, taxonomy=load_taxonomy(path))
    write_onnx(bundle, load_network(bundle), folder)
    return folder


@pytest.fixture(scope="module")
def url(exported: Path, stored: Path) -> Iterator[str]:
    words = ("--threads", "1", "--annotations", str(stored))
    with running(exported, stored.with_name("log.txt"), *words) as server:
        yield f"http://127.0.0.1:{server.port}/"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of which nothing went wrong unseen, and that asked nobody else."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("request", lambda request: hosts.add(re.sub(r"^\w+://([^:/]*).*", r"\1", request.url)))
    yield page
    context.close()
    assert wrong == []
    assert hosts == {"127.0.0.1"}


def write(page: Any, url: str, text: str = TEXT) -> None:
    page.goto(url)
    page.fill(TITLE, "A new library")
    page.locator(DESCRIPTION).press_sequentially(text, delay=1)
    expect(page.locator("#send")).to_be_enabled()


def chosen(page: Any) -> list[str]:
    names: list[str] = page.locator("#chosen .name").all_inner_texts()
    return names


def slide(page: Any, value: float) -> None:
    page.locator("#reach").fill(str(value))


def test_an_author_types_looks_corrects_and_sends(page: Any, url: str, stored: Path) -> None:
    write(page, url)
    slide(page, 3)
    many = chosen(page)
    slide(page, -3)
    assert set(chosen(page)) < set(many)
    slide(page, 3)
    assert chosen(page) == many
    removed, explained = many[0], many[1]

    page.click(f"#chosen .why[data-tag='{explained}']")
    expect(page.locator("#why-words")).to_be_visible()
    expect(page.locator("#why-heading")).to_have_text(f"Why {explained}")
    assert TEXT in page.locator("#preview").inner_text()

    page.click(f"[aria-label='Remove {removed}']")
    expect(page.locator("#removed .name")).to_have_text(removed)

    slide(page, -3)
    labels = httpx.get(f"{url}v1/labels").json()["tags"]
    few = chosen(page)
    added, alias = next(
        (label["tag"], label["aliases"][0])
        for label in labels
        if label["aliases"] and label["tag"] not in {removed, *few}
    )
    page.fill("#search", alias)
    expect(page.locator("#options [role=option]").first).to_contain_text(added)
    page.click("#options [role=option] >> nth=0")
    assert added in chosen(page)

    page.click("text=Add a note")
    page.fill("#comment", "looks right")
    page.fill("#annotator", "ann")
    page.click("#send")
    expect(page.locator("#sent")).to_have_text("Sent. Thank you.")
    row = json.loads(stored.read_text().splitlines()[-1])
    assert row["record"] == {"title": "A new library", "description": TEXT}
    assert (row["added"], row["removed"], row["kept"]) == ([added], [removed], few)
    assert (row["comment"], row["annotator"]) == ("looks right", "ann")
    source = {each["tag"]: each["source"] for each in row["shown"]}
    assert (source[added], source[removed]) == ("author", "model")
    assert row["id"]
    assert row["at"]
    assert row["model_version"]


def test_the_same_with_the_keyboard_alone(page: Any, url: str, stored: Path) -> None:
    page.goto(url)
    expect(page.locator(TITLE)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(TITLE)).to_be_focused()
    page.keyboard.type("Graphs")
    page.keyboard.press("Tab")
    page.keyboard.type("A small SQL engine for graphs")
    expect(page.locator("#send")).to_be_enabled()
    page.keyboard.press("Tab")
    expect(page.locator("#reach")).to_be_focused()
    page.keyboard.press("Home")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "search":
            break
    page.keyboard.type("a")
    expect(page.locator("#options")).to_be_visible()
    page.keyboard.press("ArrowDown")
    wanted = page.locator("#options [aria-selected=true] span").inner_text()
    assert page.locator("#search").get_attribute("aria-activedescendant") == "option-1"
    page.keyboard.press("Enter")
    assert wanted in chosen(page)
    page.keyboard.type("zzz")
    expect(page.locator("#no-options")).to_have_text("No tag has a name like that.")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#send")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#again")).to_be_focused()
    assert wanted in json.loads(stored.read_text().splitlines()[-1])["added"]
    page.keyboard.press("Enter")
    expect(page.locator(TITLE)).to_be_focused()
    expect(page.locator(TITLE)).to_have_value("")


def test_a_tag_that_is_chosen_already_is_named_by_the_search(page: Any, url: str) -> None:
    write(page, url)
    slide(page, 3)
    tag = chosen(page)[0]
    page.fill("#search", tag.replace("-", " "))
    expect(page.locator("#no-options")).to_have_text(f"{tag} is chosen already.")


@pytest.mark.parametrize("width", [320, 390, 1100])
def test_nothing_overflows_and_every_control_has_a_name(page: Any, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    write(page, url, TEXT + " " + "x" * 300)
    slide(page, 3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, summary, [role=listbox]')].filter((each) => "
        "!(each.innerText?.trim() || each.ariaLabel || each.labels?.length)).map((each) => each.outerHTML)"
    )
    assert nameless == []


def test_text_is_shown_as_it_is(page: Any, url: str) -> None:
    markup = "<img src=x onerror=alert(1)> <b>PyTorch</b> 🤖 لغة"
    write(page, url, markup)
    slide(page, 3)
    page.click("#chosen .why >> nth=0")
    expect(page.locator("#why-words")).to_be_visible()
    assert markup in page.locator("#preview").inner_text()
    assert page.locator("main img, main b").count() == 0


def test_a_busy_server_is_asked_again_and_one_that_is_gone_too(page: Any, url: str) -> None:
    answers = [
        lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": {"message": "busy"}}),
        lambda route: route.abort(),
        lambda route: route.continue_(),
    ]
    page.route("**/v1/tags", lambda route: answers.pop(0)(route) if answers else route.continue_())
    page.goto(url)
    page.fill(TITLE, TEXT)
    expect(page.locator("#state")).to_contain_text("Trying again in 1 s")
    expect(page.locator("#state")).to_contain_text("The server cannot be reached. Your text is safe")
    expect(page.locator("#send")).to_be_enabled()
    expect(page.locator("#state")).to_have_text("")


FIRST_ANSWER_IS_LATE = """
const real = window.fetch; let first = true;
window.fetch = async (path, options) => {
  if (!String(path).includes("/v1/tags")) return real(path, options);
  const late = first; first = false;
  const answer = await real(path, { ...options, signal: undefined });
  if (late) { await new Promise((done) => setTimeout(done, 1000)); document.title = "late"; }
  return answer;
};
"""


def test_an_answer_to_an_older_text_that_comes_late_is_not_shown(page: Any, url: str) -> None:
    page.add_init_script(FIRST_ANSWER_IS_LATE)
    page.goto(url)
    with page.expect_request("**/v1/tags"):
        page.fill(TITLE, "Graphs")
    page.fill(TITLE, TEXT)
    expect(page.locator("#send")).to_be_enabled()
    shown = page.locator("#tags").inner_text()
    expect(page).to_have_title("late")
    page.wait_for_timeout(100)
    assert page.locator("#tags").inner_text() == shown


def test_a_text_that_is_too_long_is_said_to_be(page: Any, url: str) -> None:
    page.goto(url)
    page.fill(DESCRIPTION, "long " * 21_000)
    expect(page.locator("#state")).to_contain_text("The text is too long.")
    page.fill(DESCRIPTION, "")
    expect(page.locator("#state")).to_have_text("")
    expect(page.locator("#empty")).to_have_text("Tags appear here as you type.")


def test_a_server_that_wants_a_token_gets_it(page: Any, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-long-secret-token\n")
    words = ("--threads", "1", "--token-file", str(tmp_path / "token"))
    with running(exported, tmp_path / "log.txt", *words) as server:
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#token-wrong")).to_be_visible()
        page.fill("#token", "a-long-secret-token")
        page.keyboard.press("Enter")
        expect(page.locator("#token-dialog")).not_to_be_visible()
        page.fill(TITLE, TEXT)
        expect(page.locator("#tags .chip").first).to_be_visible()
        # Where no answers are stored, none can be sent.
        expect(page.locator("#answer")).not_to_be_visible()
