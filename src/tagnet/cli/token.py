"""Tokens come from a file or from the environment: what stands on a command line is seen by every user of a machine."""

from __future__ import annotations

import os
from pathlib import Path

from tagnet.errors import ConfigError


def read_token(path: Path | None, variable: str) -> str | None:
    """A token: of a file, of the environment, or none.

    Args:
        path: what `--token-file` names, or None.
        variable: of the environment, that is read where no file is named.

    Raises:
        ConfigError: the file cannot be read, or what is in it is no token; what was found is not shown.
    """
    if path is None:
        place, token = variable, os.environ.get(variable)
        if token is None:
            return None
    else:
        place = f"--token-file {path}"
        try:
            token = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{place}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{place}: expected one word of ASCII characters, found {len(token)} characters of others")
    return token
