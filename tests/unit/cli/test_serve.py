"""What `tagnet serve` is told, before it serves: a folder that is or becomes an ONNX export."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.bundle import Bundle
from tagnet.cli import serve
from tagnet.cli.serve import LabelStudioOptions, labelled_command, onnx_of
from tagnet.errors import BundleError, ConfigError, MissingExtraError


@pytest.fixture
def exported(
    tiny_onnx: Callable[..., tuple[Bundle, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[list[str]]]:
    """A bundle, a command that copies its export where it should be written, and what it was called with."""
    bundle, onnx = tiny_onnx()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls: list[list[str]] = []

    def export(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        shutil.copytree(onnx, command[-1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("tagnet.cli.serve.subprocess.run", export)
    return bundle.folder, calls


def test_an_export_is_served_as_it_is(tiny_onnx: Callable[..., tuple[Bundle, Path]]) -> None:
    _, folder = tiny_onnx()
    assert onnx_of(folder) == folder


def test_a_bundle_is_exported_once(exported: tuple[Path, list[list[str]]]) -> None:
    bundle, calls = exported
    made = onnx_of(bundle)
    assert onnx_of(bundle) == made
    assert len(calls) == 1
    assert calls[0][-5:-1] == [str(bundle), "--to", "onnx", "--output"]


def test_a_damaged_export_in_the_cache_is_made_anew(exported: tuple[Path, list[list[str]]]) -> None:
    bundle, calls = exported
    made = onnx_of(bundle)
    (made / "model.onnx").write_bytes(b"half")
    assert onnx_of(bundle) == made
    assert len(calls) == 2


def test_an_export_that_fails(exported: tuple[Path, list[list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 2, "", "error: it cannot be traced\n")

    monkeypatch.setattr("tagnet.cli.serve.subprocess.run", fail)
    with pytest.raises(BundleError, match="cannot be exported to ONNX\nerror: it cannot be traced"):
        onnx_of(exported[0])


def test_without_what_exports_the_command_is_named(
    exported: tuple[Path, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "missing_packages", lambda command: ["torch"])
    with pytest.raises(MissingExtraError, match=r"tagnet export .*bundle --to onnx --output DIR"):
        onnx_of(exported[0])


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("h", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert serve._is_loopback(host) is loopback


def test_a_command_is_words_and_no_shell(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    words = labelled_command(LabelStudioOptions(True, events, "sh -c 'tagnet train; x' $(pwd) \"a b\"", 3))
    assert words == ("sh", "-c", "tagnet train; x", "$(pwd)", "a b")
    assert labelled_command(LabelStudioOptions(True, events, None, None)) is None
    assert labelled_command(LabelStudioOptions(False, None, None, None)) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((False, Path("e"), None, None), "--label-studio-events: expected --label-studio beside it"),
        ((False, None, "sh", None), "--on-labelled: expected --label-studio beside it"),
        ((False, None, None, 3), "--labelled-batch: expected --label-studio beside it"),
        ((True, None, None, 3), "--labelled-batch: expected --on-labelled COMMAND beside it"),
        ((True, None, "sh", 3), "--on-labelled: expected --label-studio-events FILE beside it"),
        ((True, Path("e"), "sh", None), "--on-labelled: expected --labelled-batch N beside it"),
        ((True, Path("e"), "", 3), "--on-labelled: expected a program that can be started, found nothing"),
        ((True, Path("e"), "no-such-program-here x", 3), "found 'no-such-program-here'; is it on the PATH"),
        ((True, Path("e"), "sh 'half", 3), "--on-labelled: expected words as a shell splits them"),
    ],
)
def test_options_that_go_together(options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        labelled_command(LabelStudioOptions(*options))
