"""`tagnet export`: a bundle in a format that others serve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from tagnet.cli.console import message_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.cli.predict import parse_columns
from tagnet.errors import ConfigError


def run(bundle: Path, to: str, output: Path, *, records: str | None, columns: Sequence[str]) -> None:
    """Run the command."""
    if columns and records is None:
        raise ConfigError("tagnet export: --column names columns of --records, which is missing")
    names = parse_columns(columns)
    require_extra("export", "export")
    from tagnet.cli.export_references import gather
    from tagnet.export.exporter import check_request, export_bundle

    check_request(to, output)
    messages = message_console()
    speak_to(messages)
    with messages.status("looking for records to check with") as status:
        references, figures = gather(bundle, records, names)
        exported = export_bundle(bundle, to, output, references, figures, say=status.update)
    messages.print(Text(f"checked on {references.source}: {exported.parity}"), soft_wrap=True)
    if exported.f1 is not None:
        messages.print(Text(str(exported.f1)), soft_wrap=True)
    messages.print(Text(f"{to}, {exported.num_bytes / 1e6:.1f} MB → {output}"), soft_wrap=True)
