"""`pip install tagnet[serve]` in an environment of its own: no torch, small, and it serves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tagnet.training.fit import Run

MOST_MEGABYTES = 300


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The interpreter of a new environment with the extra `serve`."""
    home = tmp_path_factory.mktemp("environment")
    source = home / "source"
    # A copy of what the package is made of: setuptools leaves a build folder behind.
    source.mkdir()
    for name in ("src", "conf"):
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
    python = home / "venv" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", f"{source}[serve]"],
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode:
        pytest.skip(f"no packages can be installed here: {done.stderr[-300:]}")
    subprocess.run([str(python), "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools"], check=True)
    return python


@pytest.fixture(scope="module")
def onnx(exports: Path) -> Path:
    return exports / "one"


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.mark.slow
def test_no_torch_and_small(python: Path) -> None:
    words = "import importlib.util as u; print([n for n in ('torch', 'transformers', 'pandas') if u.find_spec(n)])"
    assert subprocess.check_output([str(python), "-c", words], text=True, env=_clean()) == "[]\n"
    venv = python.parent.parent
    size = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
    assert size <= MOST_MEGABYTES * 1e6, f"{size / 1e6:.0f} MB"
    print(f"{size / 1e6:.0f} MB")


@pytest.mark.slow
def test_it_serves_and_predicts(python: Path, onnx: Path, tmp_path: Path) -> None:
    tagnet = str(python.with_name("tagnet"))
    log = tmp_path / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen([tagnet, "serve", str(onnx), "--port", "0"], stderr=stream, env=_clean())
    try:
        while "/ (Ctrl-C" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        address = "http" + log.read_text().rsplit("http", 1)[1].split("/ (")[0]
        record = {"title": "A tiny SQL engine", "description": "joins"}
        (served,) = httpx.post(address + "/v1/tags", json={"records": [record]}).json()["results"]
        assert httpx.get(address + "/").headers["content-type"].startswith("text/html")
        maps = Path(f"/proc/{process.pid}/maps")
        if maps.exists():
            assert "libtorch" not in maps.read_text()
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0
    path = tmp_path / "in.csv"
    path.write_text("id,title,description\n1,A tiny SQL engine,joins\n")
    said = subprocess.check_output([tagnet, "predict", str(onnx), "--input", str(path)], text=True, env=_clean())
    predicted = json.loads(said)
    assert [tag["tag"] for tag in predicted["tags"]] == [tag["tag"] for tag in served["tags"]]


@pytest.mark.slow
def test_a_bundle_says_how_to_export_it(python: Path, small_run: Run) -> None:
    bundle = small_run.dir / "bundle"
    done = subprocess.run(
        [str(python.with_name("tagnet")), "serve", str(bundle)], capture_output=True, text=True, env=_clean()
    )
    assert done.returncode == 2
    assert f"tagnet export {bundle} --to onnx --output DIR" in done.stderr
