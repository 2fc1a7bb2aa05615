"""The embedded encoder is read as transformers would read it, and never another one in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tagnet.errors import EncoderError
from tagnet.model import embedded
from tagnet.model.embedded import embedded_folder, load_embedded
from tagnet.model.pretrained import load_pretrained


def plain_settings(module: Any) -> dict[str, object]:
    settings: dict[str, object] = json.loads(module.config.to_json_string(use_diff=False))
    settings.pop("_name_or_path", None)
    return settings


@pytest.mark.parametrize("dropout", [None, 0.25])
def test_it_is_what_transformers_reads_but_for_the_pooler(dropout: float | None) -> None:
    ours, theirs = load_embedded(dropout), load_pretrained(str(embedded_folder()), dropout)
    theirs.module.pooler = None  # type: ignore[assignment]
    assert type(ours.module) is type(theirs.module)
    assert ours.module.training is theirs.module.training is False
    found, expected = (
        dict(each.module.named_parameters()) | dict(each.module.named_buffers()) for each in (ours, theirs)
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert torch.equal(found[name], value), name
        assert found[name].requires_grad is value.requires_grad, name
    assert ours.module.state_dict().keys() == theirs.module.state_dict().keys()
    assert plain_settings(ours.module) == plain_settings(theirs.module)
    assert ours.tokenizer.to_str() == theirs.tokenizer.to_str()
    assert ours.limit == theirs.limit == 512


def test_it_computes_the_same() -> None:
    ours, theirs = load_embedded(None).module, load_pretrained(str(embedded_folder()), None).module
    ids, mask = torch.tensor([[101, 2023, 2003, 102], [101, 2307, 102, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.no_grad():
        states = [each(input_ids=ids, attention_mask=mask).last_hidden_state for each in (ours, theirs)]
    assert torch.equal(*states)


def test_reading_it_disturbs_no_seed() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_embedded(None)
    assert torch.equal(torch.rand(3), expected)


def test_other_weights_in_its_place_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    monkeypatch.setattr(embedded, "embedded_folder", lambda: tmp_path)
    with pytest.raises(EncoderError, match=r"model\.safetensors: the weights' SHA-256 is not the published 53aa5117"):
        load_embedded(None)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PACKAGE", "no_such_package_anywhere")
    with pytest.raises(EncoderError, match=r"pip install 'tagnet\[train\]'"):
        embedded_folder()
