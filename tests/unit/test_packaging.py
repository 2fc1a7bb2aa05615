"""What is shipped: the wheel holds every file, works from any folder, and its core needs nothing heavy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


@pytest.fixture(scope="module")
def pyproject(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def _run(command: Sequence[str | Path], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def _shipped(folder: Path, prefix: str) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {f"{prefix}/{path.as_posix()}" for path in files if "__pycache__" not in path.parts}


# -------------------------------------------------------------------------------------------------------------- wheel


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy: setuptools leaves a build folder behind."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("src", "conf"):
        shutil.copytree(repository / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, tree)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    built = _run([*pip, "--wheel-dir", "dist", "."], tree)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (tree / "dist").glob("tagnet-*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed in it, for PYTHONPATH; what it depends on comes from this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    installed = _run([*pip, folder, wheel], folder)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder


def test_no_package_is_forgotten(repository: Path, pyproject: dict[str, Any]) -> None:
    source = repository / "src"
    folders = {path.parent.relative_to(source) for path in source.rglob("*.py")}
    expected = {".".join(folder.parts) for folder in folders} | {"tagnet.conf"}
    assert set(pyproject["tool"]["setuptools"]["packages"]) == expected


def test_the_wheel_holds_every_file(repository: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = _shipped(repository / "src" / "tagnet", "tagnet") | _shipped(repository / "conf", "tagnet/conf")
    assert names == expected
    for needed in ("tagnet/conf/train.yaml", "tagnet/corpus/projects.json", "tagnet/corpus/tags.json"):
        assert needed in names


def test_an_installed_wheel_composes_a_run_from_any_folder(site: Path, tmp_path: Path) -> None:
    where = [
        sys.executable,
        "-c",
        "import tagnet, tagnet.conf; print(tagnet.__file__, tagnet.conf.__file__, sep='\\n')",
    ]
    imported = _run(where, tmp_path, PYTHONPATH=str(site)).stdout.split("\n")
    assert imported[:2] == [str(site / "tagnet" / "__init__.py"), str(site / "tagnet" / "conf" / "__init__.py")]

    composed = _run([site / "bin" / "tagnet", "train", "--cfg", "job", "loss=asl"], tmp_path, PYTHONPATH=str(site))
    assert composed.returncode == 0, composed.stderr
    assert "name: asl" in composed.stdout
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------ light core


def _heavy_modules(repository: Path) -> list[str]:
    """Importable names that come with an extra and not with the core."""
    core = _lock(repository, "core")
    return sorted(
        module
        for module, distributions in packages_distributions().items()
        if not any(canonicalize_name(name) in {*core, "tagnet"} for name in distributions)
    )


def _run_core_only(repository: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(',')))\n"
        "from tagnet.cli.start import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", script, ",".join(_heavy_modules(repository)), *arguments]
    return _run(command, folder, PYTHONPATH=str(repository / "src"))


def test_the_core_install_is_light(repository: Path) -> None:
    assert not {"torch", "transformers", "datasets", "hydra-core", "scikit-learn"} & _lock(repository, "core").keys()
    assert {"torch", "transformers", "datasets", "hydra"} <= set(_heavy_modules(repository))


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_core_install_answers(repository: Path, tmp_path: Path, argument: str) -> None:
    answer = _run_core_only(repository, tmp_path, argument)
    assert answer.returncode == 0, answer.stderr
    assert "tagnet" in answer.stdout


def test_a_command_whose_extra_is_missing_says_what_to_install(repository: Path, tmp_path: Path) -> None:
    answer = _run_core_only(repository, tmp_path, "train")
    assert answer.returncode == 2, answer.stderr
    assert "tagnet[train]" in answer.stderr
    assert "Traceback" not in answer.stderr


# ------------------------------------------------------------------------------------------------------------ locks


def _lock(repository: Path, extra: str) -> dict[str, str]:
    lines = (repository / "scripts" / "locks" / f"{extra}.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize("extra", ["core", "train", "dev"])
def test_a_lock_pins_public_releases(repository: Path, extra: str) -> None:
    for name, version in _lock(repository, extra).items():
        assert Version(version).local is None, f"{name}: {version} is one machine's build"


def test_the_locks_agree(repository: Path) -> None:
    # Sweeps need a release candidate of Hydra; whoever only trains gets the release.
    hydra = {"hydra-core", "omegaconf", "antlr4-python3-runtime"}
    core, train, dev = (_lock(repository, extra) for extra in ("core", "train", "dev"))
    assert core.items() <= train.items()
    assert {pin for pin in train.items() if pin[0] not in hydra} <= dev.items()
    assert train["hydra-core"].startswith("1.3.")


@pytest.mark.parametrize("extra", ["core", "train", "dev"])
def test_a_lock_meets_what_is_asked_for(repository: Path, pyproject: dict[str, Any], extra: str) -> None:
    project, lock = pyproject["project"], _lock(repository, extra)
    lines = project["dependencies"] if extra == "core" else project["optional-dependencies"][extra]
    for requirement in map(Requirement, lines):
        if requirement.name != "tagnet":
            version = lock.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement.name} is not locked: run ./scripts/lock"
            assert version in requirement.specifier, f"{requirement} against {version}: run ./scripts/lock"


# ------------------------------------------------------------------------------------------------------------ tests


def test_our_tests_are_not_shadowed(repository: Path) -> None:
    """iterative-stratification installs a package named `tests`; pytest must take ours."""
    package, _, _ = __name__.partition(".")
    assert package == "tests"
    assert list(sys.modules[package].__path__) == [str(repository / "tests")]
