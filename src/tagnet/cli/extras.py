"""Commands that need more than the core install say so."""

from __future__ import annotations

from importlib.util import find_spec

from tagnet.errors import MissingExtraError

_NEEDED = {"train": ("torch", "transformers", "pytorch_lightning", "hydra", "datasets", "sklearn", "iterstrat")}


def require_extra(extra: str, command: str) -> None:
    """Raise where a package of the extra is missing.

    Raises:
        MissingExtraError: it names the packages and the command that installs them.
    """
    missing = [name for name in _NEEDED[extra] if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"tagnet {command} needs packages that are not installed: {', '.join(missing)}.\n"
            f"Install them with: pip install 'tagnet[{extra}]'"
        )
