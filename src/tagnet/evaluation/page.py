"""What all HTML pages share: one frame, one style, one script, and a policy that lets them load nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

_FRAME = "page.html"


def render(package: str, template: str, filters: Mapping[str, Callable[..., Any]], /, **values: Any) -> str:
    """A page as HTML: a template that extends `page.html`, filled in.

    Whatever comes from records, settings and errors is escaped; a page may load or run nothing but what is in it.

    Args:
        package: where the template lies.
        template: its file.
        filters: of the template's own.
        values: what it shows.
    """
    style, script = (_read("tagnet.evaluation", f"report.{kind}") for kind in ("css", "js"))

    def load(name: str) -> str:
        return _read("tagnet.evaluation" if name == _FRAME else package, name)

    environment = Environment(
        loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= filters
    return environment.get_template(template).render(
        values,
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
