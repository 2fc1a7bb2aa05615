"""Commands that need more than the core install say so."""

from __future__ import annotations

from importlib.util import find_spec

from tagnet.errors import MissingExtraError

_NETWORK = ("torch", "transformers")
_DATA = ("hydra", "yaml", "sklearn", "iterstrat", "matplotlib", "jinja2")
_TRAINING = (*_NETWORK, *_DATA, "pytorch_lightning", "pyarrow")
_NEEDED = {
    "train": _TRAINING,
    "inspect": (*_NETWORK, *_DATA),
    "doctor": _TRAINING,
    "compare": ("hydra", "yaml", "matplotlib", "jinja2", "pyarrow", "torch"),
    "crossval": _TRAINING,
    "slices": (*_NETWORK, "sklearn", "matplotlib", "jinja2", "pyarrow", "yaml"),
    "drift": (*_NETWORK, "sklearn", "pyarrow", "yaml"),
    "evaluate": _NETWORK,
    "predict": _NETWORK,
    "export": (*_NETWORK, "onnx", "onnxscript", "onnxruntime"),
    "label export --bundle": _NETWORK,
    "label weak": ("scipy", "yaml", "sklearn"),
    "label query": (*_NETWORK, "sklearn"),
    "label simulate": _TRAINING,
    "label audit": (*_NETWORK, *_DATA, "scipy", "pyarrow"),
    "label loop": _TRAINING,
    "serve": ("fastapi", "uvicorn", "httptools", "onnxruntime", "prometheus_client"),
}
"""Command → the packages that it imports, beyond the core. Formats that need more say so when they are read."""


def require_extra(extra: str, command: str) -> None:
    """Raise where a package that a command needs is missing.

    Args:
        extra: the one that brings all of them.
        command: the name of a command.

    Raises:
        MissingExtraError: it names the packages and the command that installs them.
    """
    missing = missing_packages(command)
    if missing:
        raise MissingExtraError(
            f"tagnet {command} needs packages that are not installed: {', '.join(missing)}.\n"
            f"Install them with: pip install 'tagnet[{extra}]'"
        )


def missing_packages(command: str) -> list[str]:
    """The packages that a command needs and that are not installed."""
    return [name for name in _NEEDED[command] if find_spec(name) is None]
