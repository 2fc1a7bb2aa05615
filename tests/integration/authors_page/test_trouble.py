"""The page when something is in the way: a busy, failing or changed server, late answers, a token."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.serving.process import running
from tagnet.prediction.onnx_folder import describe_onnx_folder, read_onnx_folder

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.slow
expect = playwright_api.expect
TITLE, DESCRIPTION = "#feature-title", "#feature-description"
TEXT = "A PyTorch library for computer vision, with transformers and deep learning on images"


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
    expect(page.locator("#state")).to_contain_text("The text is too long: ")
    page.fill(DESCRIPTION, "")
    expect(page.locator("#state")).to_have_text("")
    expect(page.locator("#empty")).to_have_text("Tags appear here as you type.")


def test_a_failing_server_says_under_which_id_and_the_text_is_not_blamed(page: Any, url: str) -> None:
    said = "the server failed; its log says why under the id abc"
    page.route("**/v1/tags", lambda route: route.fulfill(status=500, json={"error": {"message": said}}))
    page.goto(url)
    page.fill(TITLE, TEXT)
    expect(page.locator("#state")).to_have_text(f"That went wrong: {said}")
    page.unroute("**/v1/tags")
    page.fill(TITLE, f"{TEXT} again")
    expect(page.locator("#send")).to_be_enabled()


SENDING_TAKES_A_WHILE = """
const real = window.fetch;
window.fetch = async (path, options) => {
  const answer = await real(path, options);
  if (String(path).includes("annotations")) await new Promise((done) => setTimeout(done, 1000));
  return answer;
};
"""


def test_what_is_written_while_an_answer_is_sent_is_still_to_be_sent(page: Any, url: str, stored: Path) -> None:
    page.add_init_script(SENDING_TAKES_A_WHILE)
    page.goto(url)
    page.fill(DESCRIPTION, TEXT)
    expect(page.locator("#send")).to_be_enabled()
    with page.expect_request("**/v1/annotations") as sent:
        page.click("#send")
    version = httpx.get(f"{url}v1/labels").json()["model_version"]
    assert sent.value.post_data_json["model_version"] == version
    page.locator(DESCRIPTION).press_sequentially(" and more")
    expect(page.locator("#sent")).to_have_text("Sent, without what you have changed since.")
    expect(page.locator(DESCRIPTION)).to_be_focused()
    page.click("#send")
    expect(page.locator("#sent")).to_have_text("Sent. Thank you.")
    texts = [json.loads(line)["record"]["description"] for line in stored.read_text().splitlines()[-2:]]
    assert texts == [TEXT, f"{TEXT} and more"]


def test_a_replaced_model_with_other_tags_is_followed(page: Any, exported: Path, tmp_path: Path) -> None:
    for name in ("served", "new"):
        shutil.copytree(exported, tmp_path / name)
    new = read_onnx_folder(tmp_path / "new")
    before, tags = new.tags, tuple(f"new-{tag}" for tag in new.tags)
    counts = dict.fromkeys(tags, 1)
    rule = replace(new.rule, tags=tags)
    describe_onnx_folder(replace(new, rule=rule, taxonomy=None, train_counts=counts, model_version="another-model"))
    stored, log = tmp_path / "annotations.jsonl", tmp_path / "log.txt"
    with running(tmp_path / "served", log, "--threads", "1", "--annotations", str(stored)) as server:
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.fill(TITLE, TEXT)
        expect(page.locator("#send")).to_be_enabled()
        page.fill("#search", before[0])
        page.keyboard.press("Enter")
        (tmp_path / "served").rename(tmp_path / "old")
        (tmp_path / "new").rename(tmp_path / "served")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(1200):
            if "reloaded: model another-model" in log.read_text():
                break
            page.wait_for_timeout(50)
        page.click("#send")
        expect(page.locator("#sent")).to_contain_text("Not stored.")
        expect(page.locator("#state")).to_have_text(f"The model was replaced, and no longer knows {before[0]}.")
        expect(page.locator("#model")).to_contain_text("another-mode")
        expect(page.locator(TITLE)).to_have_value(TEXT)
        page.locator("#reach").fill("3")
        names = page.locator("#tags .name").all_inner_texts()
        assert names
        assert set(names) <= set(tags)
        page.click("#send")
        expect(page.locator("#sent")).to_have_text("Sent. Thank you.")
        assert json.loads(stored.read_text())["model_version"] == "another-model"


def test_a_server_that_wants_a_token_gets_it(page: Any, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-long-secret-token\n")
    words = ("--threads", "1", "--token-file", str(tmp_path / "token"))
    with running(exported, tmp_path / "log.txt", *words) as server:
        page.goto(f"http://127.0.0.1:{server.port}/")
        for wrong in ("wrong", "Ω"):  # one that the server refuses, and one that no header can carry
            page.fill("#token", wrong)
            page.keyboard.press("Enter")
            expect(page.locator("#token-wrong")).to_be_visible()
            expect(page.locator("#token")).to_be_focused()
        page.fill("#token", " a-long-secret-token ")
        page.keyboard.press("Enter")
        expect(page.locator("#token-dialog")).not_to_be_visible()
        page.fill(TITLE, TEXT)
        expect(page.locator("#tags .chip").first).to_be_visible()
        # Where no answers are stored, none can be sent.
        expect(page.locator("#answer")).not_to_be_visible()

        # The token is no longer good: the author may look away, is told, and asked again with the next word.
        page.evaluate("sessionStorage.clear()")
        page.fill(TITLE, f"{TEXT} again")
        expect(page.locator("#token-dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#token-dialog")).not_to_be_visible()
        expect(page.locator("#state")).to_contain_text("This server asks for a token.")
        page.fill(TITLE, TEXT)
        expect(page.locator("#token-dialog")).to_be_visible()
        page.fill("#token", "a-long-secret-token")
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("")
