"""`tagnet inspect`: the data as training would see it, before training; or one tag of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, LabelSpaceError, nearest

if TYPE_CHECKING:
    from tagnet.config import TrainConfig

_USAGE = """\
Usage: tagnet inspect [KEY=VALUE ...] [--tag NAME] [--output FILE.html] [--no-tokens]

Look at the data as training would see it: fields, tags, split, duplicates, lengths, warnings.
The settings are those of tagnet train; see tagnet train --help. Nothing is trained.

  tagnet inspect
  tagnet inspect data.records=projects.json data.taxonomy=tags.json labels.min_count=30
  tagnet inspect --tag transformers --output data.html

Options:
  --tag NAME          look at one tag: aliases, parents, children, company, typical words,
                      examples, and records that may lack it; an alias will do
  --output FILE.html  write all of it, with plots, into one page that needs no network
  --no-tokens         do not count tokens
  -h, --help          this text"""
_WITH_VALUE = ("--tag", "--output")
_OPTIONS = (*_WITH_VALUE, "--no-tokens", "--help", "-h")


@dataclass(frozen=True)
class Request:
    """What the words after the command ask for."""

    overrides: tuple[str, ...]
    tag: str | None
    output: Path | None
    tokens: bool


def run(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow it."""
    if {"-h", "--help"} & set(arguments):
        print(_USAGE)
        return
    request = parse(arguments)
    require_extra("train", "inspect")
    # Imported here, not above: Hydra, scikit-learn and matplotlib take seconds, and `--help` must not.
    from tagnet.cli.compose import compose_plain
    from tagnet.config import TrainConfig
    from tagnet.data.prepare import prepare
    from tagnet.evaluation.data_tables import data_tables, token_table, warning_lines
    from tagnet.evaluation.data_view import view_data
    from tagnet.evaluation.tag_tables import tag_tables
    from tagnet.evaluation.tag_view import view_tag
    from tagnet.strict_build import build

    messages, results = message_console(), result_console()
    speak_to(messages)
    config = build(TrainConfig, compose_plain(request.overrides))
    try:
        prepared = prepare(config)
    except LabelSpaceError:
        _show_what_there_is(config)
        raise
    tag = None if request.tag is None else view_tag(prepared, request.tag)
    tokens = None
    if request.tokens and (tag is None or request.output is not None):
        from tagnet.evaluation.token_lengths import view_tokens

        tokens = view_tokens(prepared, config.data, config.encoder)
    if tag is not None:
        results.print(tag_tables(tag, results))
    view = view_data(prepared, config) if tag is None or request.output is not None else None
    if view is not None and tag is None:
        results.print(data_tables(view, results))
        if tokens is not None:
            results.print(token_table(tokens, results))
        results.print(warning_lines(view.warnings))
    if view is not None and request.output is not None:
        from tagnet.atomic import write_text
        from tagnet.evaluation.data_page import render_page

        write_text(request.output, render_page(prepared, view, tokens, tag, request.overrides))
        messages.print(Text(f"page → {request.output}"), soft_wrap=True)


def parse(arguments: Sequence[str]) -> Request:
    """Separate settings from options.

    >>> parse(["labels.min_count=5", "--tag=nlp", "--no-tokens"])
    Request(overrides=('labels.min_count=5',), tag='nlp', output=None, tokens=False)

    Raises:
        ConfigError: an option is unknown, or lacks its value.
    """
    overrides: list[str] = []
    values: dict[str, str] = {}
    tokens, words = True, iter(arguments)
    for word in words:
        option, separator, value = word.partition("=")
        if not word.startswith("-"):
            overrides.append(word)
        elif word == "--no-tokens":
            tokens = False
        elif option in _WITH_VALUE:
            given = value if separator else next(words, None)
            if not given:
                raise ConfigError(f"{option}: expected a value after it, found nothing")
            values[option] = given
        else:
            raise ConfigError(
                f"{option}: tagnet inspect has no such option{nearest(option, _OPTIONS)}; see tagnet inspect --help"
            )
    output = values.get("--output")
    return Request(tuple(overrides), values.get("--tag"), None if output is None else Path(output), tokens)


def _show_what_there_is(config: TrainConfig) -> None:
    """Fields and tags as written, for somebody whose settings leave no tag."""
    from tagnet.evaluation.data_tables import field_table, written_table
    from tagnet.evaluation.data_view import view_fields
    from tagnet.records.io import load_records

    data, results = config.data, result_console()
    loaded = load_records(data.records, data.columns, data.on_invalid, data.features)
    results.print(field_table(view_fields(loaded, config)))
    results.print(written_table(loaded.records))
