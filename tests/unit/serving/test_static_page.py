"""The page comes with headers that let it load nothing from elsewhere, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tagnet.serving.static_page import page_files


def test_every_file_has_its_type_and_the_policy(start: Callable[..., Any]) -> None:
    asker = start()
    for path, kind in (
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/why.js", "text/javascript"),
        ("/style.css", "text/css"),
    ):
        answer = asker("GET", path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
            "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
        )


def test_what_the_page_asks_for_is_there() -> None:
    files = page_files()
    page = bytes(files["/"].body).decode()
    asked = {f"/{each}" for each in re.findall(r'(?:src|href)="([^"#]+)"', page) if not each.startswith("data:")}
    assert asked == set(files) - {"/"}
    for path, answer in files.items():
        if path.endswith(".js"):
            modules = re.findall(r'^import .* from "\.(.+)";$', bytes(answer.body).decode(), re.MULTILINE)
            assert set(modules) <= asked
    for answer in files.values():
        assert not re.search(rb"https?://", bytes(answer.body))
