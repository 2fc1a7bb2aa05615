"""A bundle comes back as it was, or is one clear error."""

from __future__ import annotations

import errno
import json
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import safetensors.torch
import torch

from tagnet import bundle as bundle_module
from tagnet.bundle import Bundle, load_network, load_tokenizer, read_bundle
from tagnet.config import ModelConfig
from tagnet.data.batches import collate
from tagnet.data.tokens import tokenize
from tagnet.errors import BundleError, EncoderError, RunDirectoryError, TagnetError
from tagnet.model.encoder import Encoder
from tagnet.model.lexical import LONGEST_NAME, LexicalEvidence, hash_of, no_weights
from tagnet.model.network import TaggerNetwork
from tagnet.sealed import file_sha256, json_sha256

TEXTS = ["a tiny sql engine", "", "graph neural networks {braces} 🎉"]
ODD_TAGS = ("", " ", "arxiv:2005.10872 ", "c++/c#", "größe 🎉", "{}")
FILES = {
    "bundle.json",
    "decision_rule.json",
    "encoder.json",
    "model.safetensors",
    "taxonomy.json",
    "tokenizer.json",
}

Write = Callable[..., Bundle]


def logits_of(network: TaggerNetwork, encoder: Encoder, bundle: Bundle) -> torch.Tensor:
    batch = collate(tokenize(load_tokenizer(bundle), TEXTS, 32), range(len(TEXTS)), encoder.pad_id)
    with torch.no_grad():
        found: torch.Tensor = network(batch.input_ids_ST, batch.mask_ST)
    return found


def rewrite(bundle: Bundle, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a description by hand and set its fingerprint right again."""
    path = bundle.folder / "bundle.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    del found["fingerprint"]
    change(found)
    path.write_text(json.dumps({**found, "fingerprint": json_sha256(found)}), encoding="utf-8")


def refused(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_bundle(folder)
    assert 1 <= len(str(caught.value).splitlines()) <= 3
    return str(caught.value)


# --------------------------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize(
    ("head", "pooling"), [("linear", "mean"), ("label_attention", "mean"), ("tag_names", "attention")]
)
def test_the_network_comes_back(
    head: str, pooling: str, write_tiny_bundle: Write, make_network: Callable[..., TaggerNetwork], tiny: Encoder
) -> None:
    network = make_network(head=head, pooling=pooling)
    model = ModelConfig(pooling, head, 0.1, None, False, None)  # type: ignore[arg-type]
    bundle = write_tiny_bundle(network=network, model=model)
    again = load_network(bundle)
    assert not again.training
    expected_BK = logits_of(network, tiny, bundle)
    torch.testing.assert_close(logits_of(again, tiny, bundle), expected_BK, atol=1e-6, rtol=0)


def test_lexical_evidence_comes_back(
    write_tiny_bundle: Write, make_network: Callable[..., TaggerNetwork], tiny: Encoder
) -> None:
    network = make_network()
    weights = no_weights(tiny.tokenizer.get_vocab_size(), 3)
    network.lexical = LexicalEvidence(
        weights._replace(
            hash_of_name_P=torch.tensor([hash_of([7, 8])]),
            tag_of_name_P=torch.tensor([1]),
            names_of_length_L=torch.tensor([0, 1, *[0] * (LONGEST_NAME - 2)]),
            name_weight=torch.tensor(5.0),
        )
    )
    bundle = write_tiny_bundle(network=network)
    ids = torch.tensor([[101, 7, 8, 102]])
    with torch.no_grad():
        torch.testing.assert_close(
            load_network(bundle)(ids, torch.ones_like(ids)), network(ids, torch.ones_like(ids)), atol=1e-6, rtol=0
        )


def test_a_bundle_from_before_lexical_evidence_is_read(write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()
    path = bundle.folder / "bundle.json"
    found = json.loads(path.read_text())
    del found["fingerprint"], found["model"]["lexical"]
    path.write_text(json.dumps({**found, "fingerprint": json_sha256(found)}))
    assert read_bundle(bundle.folder).model.lexical is False


def test_everything_else_comes_back(write_tiny_bundle: Write, tiny: Encoder) -> None:
    written = write_tiny_bundle(feature_tokens={"title": 5}, window_overlap=3)
    bundle = read_bundle(str(written.folder))
    assert {path.name for path in bundle.folder.iterdir()} == FILES
    assert bundle.tags == bundle.rule.tags == ("databases", "graphs", "nlp")
    assert bundle.rule.thresholds_K.tolist() == np.linspace(0.2, 0.8, 3).tolist()
    assert bundle.text == written.text
    assert (bundle.text.features, bundle.text.feature_tokens, bundle.text.window_overlap) == (
        ("title", "description"),
        {"title": 5},
        3,
    )
    assert bundle.taxonomy is not None
    assert bundle.taxonomy.resolve("nlp alias") == "nlp"
    assert bundle.train_counts == {"databases": 0, "graphs": 1, "nlp": 2}
    assert bundle.encoder_config == tiny.config
    assert (bundle.encoder_source, bundle.pad_id) == ("tiny", 0)
    assert bundle.provenance == {"run": "test", "seed": 0}
    assert bundle.labels.untagged == "drop"
    assert bundle.evaluation == written.evaluation
    assert (bundle.evaluation.confidence, bundle.evaluation.at_k) == (0.8, (1, 2))


def test_a_new_process_gives_the_same_logits(
    write_tiny_bundle: Write, make_network: Callable[..., TaggerNetwork], tiny: Encoder, repository: Path
) -> None:
    network = make_network()
    bundle = write_tiny_bundle(network=network)
    script = (
        "import sys, torch; from tagnet.bundle import load_network, read_bundle\n"
        "ids = torch.tensor([[101, 7, 8, 102]])\n"
        "with torch.no_grad(): print(load_network(read_bundle(sys.argv[1]))(ids, torch.ones_like(ids))[0].tolist())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(bundle.folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
    )
    ids = torch.tensor([[101, 7, 8, 102]])
    with torch.no_grad():
        expected_K = network(ids, torch.ones_like(ids))[0]
    torch.testing.assert_close(torch.tensor(json.loads(answer.stdout)), expected_K, atol=1e-6, rtol=0)
    assert answer.stderr == ""


def test_odd_tags_and_one_tag(write_tiny_bundle: Write) -> None:
    assert write_tiny_bundle("odd", ODD_TAGS, with_taxonomy=False).tags == ODD_TAGS
    assert write_tiny_bundle("single", ("only",)).tags == ("only",)


def test_without_a_taxonomy(write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle(with_taxonomy=False)
    assert bundle.taxonomy is None
    assert {path.name for path in bundle.folder.iterdir()} == FILES - {"taxonomy.json"}


def test_a_bundle_can_be_moved(write_tiny_bundle: Write, tmp_path: Path) -> None:
    bundle = write_tiny_bundle()
    text = "".join(path.read_text(encoding="utf-8") for path in bundle.folder.glob("*.json"))
    assert str(tmp_path) not in text
    moved = bundle.folder.rename(tmp_path / "elsewhere")
    assert load_network(read_bundle(moved)).head.weight.shape[0] == 3


def test_reading_a_description_needs_no_torch(write_tiny_bundle: Write, repository: Path) -> None:
    script = (
        "import sys; from tagnet.bundle import read_bundle; read_bundle(sys.argv[1])\n"
        "print(sorted({'torch', 'transformers', 'safetensors', 'hydra', 'scipy'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(write_tiny_bundle().folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
    )
    assert answer.stdout.strip() == "[]", answer.stderr


def test_nothing_is_unpickled(write_tiny_bundle: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_tiny_bundle()

    def refuse(*values: object, **more: object) -> NoReturn:
        pytest.fail("something was unpickled")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, refuse)
    load_network(read_bundle(bundle.folder))


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("name", sorted(FILES - {"bundle.json"}))
def test_a_missing_file(name: str, write_tiny_bundle: Write) -> None:
    folder = write_tiny_bundle().folder
    (folder / name).unlink()
    assert f"{name}: this file of the bundle is missing" in refused(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_was_changed(name: str, write_tiny_bundle: Write) -> None:
    path = write_tiny_bundle().folder / name
    content = path.read_bytes()
    # A digit or letter that becomes another one: still valid JSON, still valid safetensors.
    place = next(i for i in reversed(range(len(content))) if content[i : i + 1].isalnum())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert name in refused(path.parent)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_was_cut_short(name: str, write_tiny_bundle: Write) -> None:
    path = write_tiny_bundle().folder / name
    path.write_bytes(path.read_bytes()[:-20])
    assert name in refused(path.parent)


def test_a_description_that_is_laid_out_anew_is_the_same(write_tiny_bundle: Write) -> None:
    path = write_tiny_bundle().folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), sort_keys=True, indent=None))
    read_bundle(path.parent)


def test_no_bundle(tmp_path: Path) -> None:
    assert "found no bundle.json" in refused(tmp_path)
    assert "found no bundle.json" in refused(tmp_path / "nowhere")


def test_the_folder_of_a_run_names_the_bundle_in_it(write_tiny_bundle: Write) -> None:
    folder = write_tiny_bundle("run/bundle").folder
    assert f"did you mean {folder}?" in refused(folder.parent)


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", "3", '"text"', "{}", '{"format_version": "1"}', '{"format_version": 1}', "\xff", "[" * 9999],
)
def test_another_json(content: str, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_bytes(content.encode("latin-1"))
    assert "bundle.json" in refused(tmp_path)


def test_a_future_version(write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()
    rewrite(bundle, lambda found: found.update(format_version=2))
    message = refused(bundle.folder)
    assert "expected format version 1, found 2" in message
    assert "use the tagnet that wrote it" in message


@pytest.mark.parametrize("key", ["tags", "train_counts", "labels", "text", "model", "encoder", "provenance", "files"])
@pytest.mark.parametrize("value", [None, 3, "text", [], {}])
def test_a_description_made_by_hand(key: str, value: Any, write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()

    def change(found: dict[str, Any]) -> None:
        found[key] = value

    if key != "provenance":  # which may hold anything
        rewrite(bundle, change)
        refused(bundle.folder)
    rewrite(bundle, lambda found: found.__delitem__(key))
    refused(bundle.folder)


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/hostname", "more.bin"])
def test_files_outside_are_not_touched(name: str, write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()
    rewrite(bundle, lambda found: found["files"].update({name: "0" * 64}))
    assert "expected fingerprints of" in refused(bundle.folder)


def test_tags_of_another_rule(write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()
    rewrite(bundle, lambda found: found.update(tags=["graphs", "databases", "nlp"]))
    assert "expected its 3 tags in decision_rule.json" in refused(bundle.folder)


def test_weights_of_another_network(write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()
    other = write_tiny_bundle("other", ("a", "b"))
    for file in ("model.safetensors", "tokenizer.json"):
        (bundle.folder / file).write_bytes((other.folder / file).read_bytes())
    rewrite(
        bundle,
        lambda found: found["files"].update({"model.safetensors": file_sha256(other.folder / "model.safetensors")}),
    )
    with pytest.raises(BundleError, match=r"model\.safetensors: expected the weights of the network in bundle\.json"):
        load_network(read_bundle(bundle.folder))


def test_weights_that_are_none(write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()
    (bundle.folder / "model.safetensors").write_bytes(b"none")
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        load_network(bundle)
    (bundle.folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json: the installed tokenizers cannot read it"):
        load_tokenizer(bundle)


def test_an_architecture_of_the_future(write_tiny_bundle: Write, tiny: Encoder) -> None:
    bundle = write_tiny_bundle(encoder=replace(tiny, config={**tiny.config, "model_type": "of-the-future"}))
    with pytest.raises(EncoderError, match="cannot build its architecture 'of-the-future'"):
        load_network(bundle)


# -------------------------------------------------------------------------------------------------------- whole or not


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def test_the_umask_decides_who_may_read(umask: int, write_tiny_bundle: Write) -> None:
    folder = write_tiny_bundle().folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(
        FILES, 0o666 & ~umask
    )


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", ["save_weights", "write_text", "write_json", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupted_write_leaves_what_was_there(
    step: str,
    error: BaseException,
    existing: bool,
    write_tiny_bundle: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if existing:
        write_tiny_bundle()
    before = snapshot(tmp_path)

    def fail(*values: object, **more: object) -> NoReturn:
        raise error

    if step == "save_weights":
        monkeypatch.setattr(safetensors.torch, "save_file", fail)
    elif step == "replace":
        rename = Path.replace

        def fail_for_the_folder(path: Path, target: Path) -> Path:
            if path.is_dir() and target.name == "bundle" and not path.name.endswith(".old.part"):
                raise error
            return rename(path, target)

        monkeypatch.setattr(Path, "replace", fail_for_the_folder)
    else:
        monkeypatch.setattr(bundle_module, step, fail)
    with pytest.raises(RunDirectoryError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        write_tiny_bundle(tags=("new", "tags"))
    if isinstance(error, OSError):
        assert str(caught.value).startswith(f"{tmp_path / 'bundle'}: cannot be written (No space left on device)")
    assert snapshot(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["bundle"] if existing else [])


def test_what_safetensors_says_of_a_full_disk_is_the_same_error(
    write_tiny_bundle: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*values: object, **more: object) -> NoReturn:
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    with pytest.raises(RunDirectoryError, match="No space left on device"):
        write_tiny_bundle()
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_whole(write_tiny_bundle: Write, tmp_path: Path) -> None:
    write_tiny_bundle()
    (tmp_path / "bundle" / "stray").touch()
    assert write_tiny_bundle(tags=("new",), with_taxonomy=False).tags == ("new",)
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == FILES - {"taxonomy.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_file_in_its_place_stays(write_tiny_bundle: Write, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("mine")
    with pytest.raises(TagnetError, match="cannot be written"):
        write_tiny_bundle()
    assert (tmp_path / "bundle").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
