"""The page for authors: three files, read once, with headers that let them load nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from starlette.responses import Response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin"}
_FILES = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
}


def page_files() -> dict[str, Response]:
    """Path → the answer."""
    folder = files("tagnet.serving") / "page"
    return {
        path: Response((folder / name).read_bytes(), media_type=kind, headers=_HEADERS)
        for path, (name, kind) in _FILES.items()
    }
