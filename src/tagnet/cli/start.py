"""Where `tagnet` starts: its own help and version at once, everything else through the command table.

Typer, which reads the commands' options, takes longer to import than this help to print.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from textwrap import wrap

COMMANDS = {
    "train": "Train, calibrate and measure a tagger: settings as KEY=VALUE; see `tagnet train --help`.",
    "inspect": "Look at the data as training would see it: settings as KEY=VALUE; see `tagnet inspect --help`.",
    "doctor": "Look at this machine, and whether a run fits: settings as KEY=VALUE; see `tagnet doctor --help`.",
    "evaluate": "Measure a bundle on labelled records.",
    "compare": "Look at a sweep and its best trial, or hold finished runs against the first of them, tag by tag.",
    "crossval": "Train on every fold, with several seeds: settings as KEY=VALUE; see `tagnet crossval --help`.",
    "predict": "Suggest tags for texts, for a file of records of any size, or for lines of standard input.",
    "export": "Export a bundle to a format that is served without tagnet, and check that it still says the same.",
    "serve": "Serve a bundle over HTTP: suggested tags for programs, and a page for authors.",
    "slices": "Find the parts of the records on which a model is worse than it thinks; of two, compare them part by "
    "part.",
    "drift": "Say whether new records are still of the kind that a model was trained on.",
    "label": "Take records to a labelling tool and bring the answers back.",
}
"""What the command table says of each command; a test holds the two equal."""

_OPTIONS = {"--version": "Print the version.", "-h, --help": "Show this message and exit."}


def root_help(width: int) -> str:
    """What `tagnet --help` prints, in lines of at most `width` characters."""
    parts = [" Usage: tagnet [OPTIONS] COMMAND [ARGS]...", " Train, calibrate and use multi-label taggers of text."]
    for title, rows in (("Options", _OPTIONS), ("Commands", COMMANDS)):
        column = max(len(name) for name in rows) + 4
        lines = [f" {title}:"]
        for name, text in rows.items():
            first, *others = wrap(text, max(width - column - 1, 20), break_on_hyphens=False)
            lines.append(f"   {name:<{column - 2}}{first}")
            lines.extend(" " * (column + 1) + line for line in others)
        parts.append("\n".join(lines))
    return "\n" + "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["--help"], ["-h"]):
        print(root_help(min(shutil.get_terminal_size().columns, 100)))
        return
    if words == ["--version"]:
        from importlib.metadata import version

        print(f"tagnet {version('tagnet')}")
        return
    from tagnet.cli.main import main as run_commands

    run_commands()


if __name__ == "__main__":
    main()
