"""The page for authors: a few files, read once, with headers that let them load nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from starlette.responses import Response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin"}
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def page_paths() -> frozenset[str]:
    """Where the page's files are asked for."""
    return frozenset(path_of(file) for file in _files())


def page_files() -> dict[str, Response]:
    """Path → the answer."""
    return {
        path_of(file): Response(file.read_bytes(), media_type=_KINDS[Path(file.name).suffix], headers=_HEADERS)
        for file in _files()
    }


def path_of(file: Traversable) -> str:
    """Where a file of the page is asked for."""
    return "/" if file.name == "index.html" else f"/{file.name}"


def _files() -> list[Traversable]:
    return [each for each in (files("tagnet.serving") / "page").iterdir() if Path(each.name).suffix in _KINDS]
