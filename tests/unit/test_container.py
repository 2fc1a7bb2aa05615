"""The container files, as far as they can be held without Docker: what they name is there, and their commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def dockerfile(repository: Path) -> list[tuple[str, str]]:
    """Instructions and their arguments, continued lines joined."""
    lines = (repository / "Dockerfile.gpu").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in re.sub(r"\\\n", " ", text).splitlines())
        if name
    ]


@pytest.fixture(scope="module")
def service(repository: Path) -> dict[str, Any]:
    compose = yaml.safe_load((repository / "compose.gpu.yaml").read_text(encoding="utf-8"))
    assert set(compose) == {"services", "volumes"}
    assert list(compose["services"]) == ["tagnet"]
    found: dict[str, Any] = compose["services"]["tagnet"]
    return found


def arguments(dockerfile: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in dockerfile if instruction == name]


def commands(file: Path) -> list[list[str]]:
    """The command lines in the comment at the head of a file, continued lines joined."""
    head = [line.removeprefix("#") for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(head)).splitlines()
    return [
        shlex.split(line, comments=True) for line in joined if re.match(r"   (\w+=\S+ )?(docker|mkdir|export)", line)
    ]


def tagnet_words(command: list[str]) -> list[str]:
    """What a command line gives to tagnet in the container."""
    for word in ("tagnet:gpu", "tagnet"):
        if word in command and command[command.index(word) - 1] != "-t":
            return command[command.index(word) + 1 :]
    return []


# --------------------------------------------------------------------------------------------------------- Dockerfile


def test_everything_that_is_copied_is_there(repository: Path, dockerfile: list[tuple[str, str]]) -> None:
    sources = [source for rest in arguments(dockerfile, "COPY") for source in rest.split()[:-1]]
    assert {"src", "conf", "pyproject.toml", "scripts/locks/gpu.txt"} <= set(sources)
    for source in sources:
        assert (repository / source).exists(), source


def test_nothing_that_is_copied_is_ignored(repository: Path, dockerfile: list[tuple[str, str]]) -> None:
    lines = (repository / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    def is_ignored(path: str) -> bool:
        # The last rule that names a path or a folder above it decides; ** stands for any folders, none included.
        parts = Path(path).parts
        above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        ignored = False
        for rule in rules:
            pattern = rule.removeprefix("!")
            names = [pattern, pattern.removeprefix("**/")] if pattern.startswith("**/") else [pattern]
            depth = [each for each in above if any(fnmatch(each, n) and each.count("/") >= n.count("/") for n in names)]
            if depth:
                ignored = not rule.startswith("!")
        return ignored

    for rest in arguments(dockerfile, "COPY"):
        for source in rest.split()[:-1]:
            root = repository / source
            files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
            shipped = [
                file for file in files if not any("egg-info" in part or part == "__pycache__" for part in file.parts)
            ]
            assert shipped
            for file in shipped:
                assert not is_ignored(file.relative_to(repository).as_posix()), file
    for left_out in (".git/config", ".venv/bin/python", "runs/mine/config.yaml", "scripts/locks/dev.txt"):
        assert is_ignored(left_out)
    assert is_ignored("src/tagnet/__pycache__/errors.cpython-311.pyc")


def test_it_does_not_run_as_root(dockerfile: list[tuple[str, str]]) -> None:
    (user,) = arguments(dockerfile, "USER")
    assert user.isdigit()
    assert int(user) > 0
    # Kubernetes and others believe only numbers; nothing is installed after it.
    after = [name for name, _ in dockerfile[[name for name, _ in dockerfile].index("USER") :]]
    assert "RUN" not in after
    assert f"--uid {user} " in " ".join(arguments(dockerfile, "RUN"))


def test_the_entry_point_is_what_the_package_installs(dockerfile: list[tuple[str, str]], repository: Path) -> None:
    (entry,) = map(json.loads, arguments(dockerfile, "ENTRYPOINT"))
    assert entry == ["tini", "--", "tagnet"]
    installs = " ".join(arguments(dockerfile, "RUN"))
    assert " tini" in installs
    assert 'tagnet = "tagnet.cli.start:main"' in (repository / "pyproject.toml").read_text(encoding="utf-8")
    (default,) = map(json.loads, arguments(dockerfile, "CMD"))
    assert _tagnet(*default).returncode == 0


def test_its_lock_is_installed(dockerfile: list[tuple[str, str]]) -> None:
    copied = [rest.split() for rest in arguments(dockerfile, "COPY")]
    (target,) = [target for source, *_, target in copied if source == "scripts/locks/gpu.txt"]
    assert any(f"pip install -r {target}" in rest for rest in arguments(dockerfile, "RUN"))


def test_its_lock_holds_training_adapters_and_sweeps(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    gpu, dev = (_pins(repository / "scripts" / "locks" / f"{name}.txt") for name in ("gpu", "dev"))
    for requirement in map(Requirement, project["dependencies"] + extras["train"] + extras["lora"] + extras["sweep"]):
        if requirement.name != "tagnet":
            assert gpu[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    # What the tests run on; they may run where PyTorch is built for CPUs alone.
    for_cuda = {name for name in gpu if re.match("nvidia-|cuda-|triton", name)}
    assert {pin for pin in gpu.items() if pin[0] not in for_cuda} <= dev.items()


def _pins(lock: Path) -> dict[str, str]:
    lines = lock.read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


def test_the_health_check_asks_for_a_gpu(dockerfile: list[tuple[str, str]]) -> None:
    (health,) = arguments(dockerfile, "HEALTHCHECK")
    command = health[health.index("CMD ") + 4 :]
    found = _shell(command)
    assert "Machine" in found.stdout
    if torch.cuda.is_available():
        assert found.returncode == 0, found.stderr
    else:
        # Docker reserves 2, with which tagnet itself ends here.
        assert found.returncode == 1
        assert "expected a GPU" in found.stderr
        assert "Traceback" not in found.stderr
    assert _shell(command.replace("trainer=gpu", "trainer=cpu")).returncode == 0


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the image with the `tagnet` of these tests."""
    here = f'tagnet() {{ {shlex.quote(sys.executable)} -m tagnet.cli.main "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", here], env=dict(os.environ), capture_output=True, text=True, timeout=120)


def _tagnet(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tagnet.cli.main", *words],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
    )


# ------------------------------------------------------------------------------------------------------------ compose


def test_gpus_are_reserved(service: dict[str, Any]) -> None:
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


def test_processes_have_shared_memory_and_time_to_stop(service: dict[str, Any]) -> None:
    assert int(service["shm_size"].removesuffix("gb")) >= 1
    assert service["stop_grace_period"] == "2m"


def test_runs_and_data_are_those_of_the_host(service: dict[str, Any], dockerfile: list[tuple[str, str]]) -> None:
    (home,) = arguments(dockerfile, "WORKDIR")
    inside = {mount.split(":")[-2 if mount.endswith(":ro") else -1]: mount for mount in service["volumes"]}
    assert set(inside) == {f"{home}/runs", f"{home}/data", f"{home}/.cache"}
    assert inside[f"{home}/runs"].startswith("./runs:")
    assert inside[f"{home}/data"].endswith(":ro")
    # Only where it is set outside: else MadeWithML is fetched.
    assert service["environment"]["TAGNET_DATA"] == f"${{TAGNET_DATA:+{home}/data}}"
    (environment,) = arguments(dockerfile, "ENV")
    assert f"HOME={home} " in environment


def test_the_image_is_the_one_of_the_dockerfile(service: dict[str, Any], repository: Path) -> None:
    assert (repository / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert service["user"].startswith("${TAGNET_USER:-1100")


def test_its_commands_are_ones_that_tagnet_understands(service: dict[str, Any], repository: Path) -> None:
    from tagnet.cli.compose import train_config

    told = [
        tagnet_words(line) for name in ("Dockerfile.gpu", "compose.gpu.yaml") for line in commands(repository / name)
    ]
    told = [words for words in [service["command"], *told] if words]
    assert {words[0] for words in told} == {"train", "doctor"}
    assert len(told) == 6
    for _, *settings in told:
        config = train_config(*settings)
        assert config.trainer.accelerator == "gpu"
