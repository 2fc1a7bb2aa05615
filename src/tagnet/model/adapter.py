"""Low-rank adapters (LoRA) in a frozen encoder, and the way back to plain weights.

An adapter adds alpha / rank · B(A(x)) to what a linear layer makes of x (Hu et al., ICLR 2022, section 4.1). B starts
at zero, so that the encoder starts as the one it was; merged, W + alpha / rank · BA takes the place of W, and nothing
needs the peft library any more.
"""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec

from torch import nn

from tagnet.config import AdapterConfig, LoraConfig
from tagnet.errors import ConfigError, MissingExtraError, nearest


def require_adapter_extra(config: AdapterConfig) -> None:
    """Raise where the settings ask for adapters and the library that makes them is missing.

    Raises:
        MissingExtraError: it names the package and the command that installs it.
    """
    if isinstance(config, LoraConfig) and find_spec("peft") is None:
        raise MissingExtraError(
            "adapter=lora needs a package that is not installed: peft.\nInstall it with: pip install 'tagnet[lora]'"
        )


def add_adapter(encoder: nn.Module, config: AdapterConfig) -> None:
    """Freeze an encoder and put an adapter beside each of the linear layers chosen, in place; `none` changes nothing.

    The encoder stays the module that it was, and is called as before. The weight of a layer that has an adapter is
    called NAME.base_layer.weight from now on, those of the adapter NAME.lora_A.default.weight, (rank, inputs), and
    NAME.lora_B.default.weight, (outputs, rank).

    Raises:
        ConfigError: `adapter.targets` names a layer that the encoder does not have.
    """
    if not isinstance(config, LoraConfig):
        return
    import peft

    chosen = _targets(encoder, config.targets)
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # only ever divided by the rank
        lora_dropout=config.dropout,
        # A list would be read as endings of names; this is these layers and no others.
        target_modules="|".join(map(re.escape, chosen)),
    )
    with warnings.catch_warnings():
        # GPT-2's linear layers keep their weights transposed; peft sees it, says so, and does what is right.
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
        peft.inject_adapter_in_model(settings, encoder)


def merge_adapter(encoder: nn.Module) -> None:
    """Take all adapters into the weights beside them, in place: the same outputs, from a plain encoder.

    Its parameters have the names that they had before `add_adapter`, and can be trained again. An encoder without
    adapters stays as it is.
    """
    if not hasattr(encoder, "peft_config"):
        return
    from peft.tuners.lora import LoraLayer

    for name, module in list(encoder.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            encoder.set_submodule(name, module.get_base_layer())
    del encoder.peft_config
    encoder.requires_grad_(True)


def _targets(encoder: nn.Module, wanted: tuple[str, ...] | None) -> list[str]:
    """The full names of the linear layers that get an adapter, in the encoder's order.

    Args:
        encoder: has none yet.
        wanted: whole names, or endings of names after a dot; None: every linear layer.

    Raises:
        ConfigError: one of them is no linear layer's.
    """
    from transformers.pytorch_utils import Conv1D  # a linear layer, for all its name

    found = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear | Conv1D)]
    if wanted is None:
        return found
    for target in wanted:
        if not any(_is_meant(name, target) for name in found):
            short = sorted({_short_name(name) for name in found})
            raise ConfigError(
                f"adapter.targets: expected names of linear layers of {type(encoder).__name__}, found {target!r}"
                f"{nearest(target, [*short, *found])}\nIt has {', '.join(short)}; null takes all of them."
            )
    return [name for name in found if any(_is_meant(name, target) for target in wanted)]


def _is_meant(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _short_name(name: str) -> str:
    """The end of a name, from its last word that is no number.

    >>> _short_name("layer.0.output.dense"), _short_name("layer.0.ffn.0")
    ('dense', 'ffn.0')
    """
    match = re.search(r"[^.]*[^.\d][^.]*(\.\d+)*$", name)
    return match.group() if match else name
