"""What authors do on the page: write, look, correct and send, with the mouse, the keyboard, on a phone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.slow
expect = playwright_api.expect
TITLE, DESCRIPTION = "#feature-title", "#feature-description"
TEXT = "A PyTorch library for computer vision, with transformers and deep learning on images"


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
    expect(page.locator("#live")).to_have_text(page.locator("#why-words").inner_text())

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


def test_the_address_names_a_record_and_the_answer_is_imported_for_it(
    page: Any, url: str, stored: Path, tagnet: Any, tmp_path: Path
) -> None:
    records = [{"id": 7, "title": "Seven & co", "description": TEXT, "tags": []}]
    (tmp_path / "records.json").write_text(json.dumps(records))
    page.goto(f"{url}?{urlencode({key: records[0][key] for key in ('id', 'title', 'description')})}")
    expect(page.locator("#send")).to_be_enabled()
    slide(page, 3)
    removed, *kept = chosen(page)
    page.click(f"[aria-label='Remove {removed}']")
    page.click("#send")
    expect(page.locator("#sent")).to_have_text("Sent. Thank you.")
    line = stored.read_text().splitlines()[-1]
    assert json.loads(line)["project_id"] == "7"
    assert len(json.loads(line)["shown"]) >= len(kept) + 1

    # The next text is another record's, or nobody's.
    page.click("#again")
    page.fill(TITLE, "Another")
    expect(page.locator("#send")).to_be_enabled()
    page.click("#send")
    expect(page.locator("#sent")).to_have_text("Sent. Thank you.")
    assert json.loads(stored.read_text().splitlines()[-1])["project_id"] is None

    (tmp_path / "page.jsonl").write_text(line + "\n")
    log, new = str(tmp_path / "answers.jsonl"), str(tmp_path / "new.json")
    code, _, err = tagnet("label", "import", "--tool", "tagnet", str(tmp_path / "page.jsonl"), "--output", log)
    assert code == 0, err
    words = ("--records", str(tmp_path / "records.json"), "--answers", log, "--output", new)
    code, _, err = tagnet("label", "merge", *words)
    assert code == 0, err
    assert json.loads((tmp_path / "new.json").read_text()) == [{**records[0], "tags": kept}]


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
    write(page, url)
    page.fill(DESCRIPTION, f"{TEXT} {'x' * 300}")
    expect(page.locator("#send")).to_be_enabled()
    slide(page, 3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, summary, [role=listbox]')].filter((each) => "
        "!(each.innerText?.trim() || each.ariaLabel || each.labels?.length)).map((each) => each.outerHTML)"
    )
    assert nameless == []
    # The words stand by the tags, also where all is in one column.
    heights = page.evaluate(
        "['maybe', 'why', 'search'].map((id) => document.getElementById(id).getBoundingClientRect().top)"
    )
    assert width > 800 or heights == sorted(heights)


def test_a_text_from_right_to_left_is_written_and_explained_so(page: Any, url: str) -> None:
    write(page, url, "مكتبة للتعلم العميق PyTorch")
    slide(page, 3)
    page.click("#chosen .why >> nth=0")
    expect(page.locator("#why-words")).to_be_visible()
    for selector in (DESCRIPTION, "#preview p >> nth=1"):
        assert page.locator(selector).evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    assert page.locator("#chosen .name >> nth=0").evaluate("(each) => getComputedStyle(each).direction") == "ltr"


def test_text_is_shown_as_it_is(page: Any, url: str) -> None:
    markup = "<img src=x onerror=alert(1)> <b>PyTorch</b> 🤖 لغة"
    write(page, url, markup)
    slide(page, 3)
    page.click("#chosen .why >> nth=0")
    expect(page.locator("#why-words")).to_be_visible()
    assert markup in page.locator("#preview").inner_text()
    assert page.locator("main img, main b").count() == 0
