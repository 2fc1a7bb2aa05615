"""The one check that all settings share."""

from __future__ import annotations

from tagnet.errors import ConfigError


def require(condition: bool, key: str, expected: str, found: object) -> None:
    """Refuse a setting that is not as it must be.

    Raises:
        ConfigError: the condition does not hold; the message has the key, what was expected and what was found.
    """
    if not condition:
        raise ConfigError(f"{key}: expected {expected}, found {found!r}")
