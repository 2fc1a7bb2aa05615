"""`tagnet predict` on files: kills lose nothing, memory stays, an ONNX export needs no torch, Ray gives the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tagnet.training.fit import Run

Tagnet = Callable[..., tuple[int, str, str]]

# A block of two records: the run is long enough to be stopped in its middle.
# A shell starts what runs in its background with Ctrl-C ignored, and that is inherited.
SMALL_BLOCKS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from tagnet.cli import predict
predict._BLOCK = {block}
if {no_torch}:
    sys.modules["torch"] = None
from tagnet.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def onnx(exports: Path) -> Path:
    return exports / "one"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = [{"id": n, "title": f"title {n} " * (n % 7 + 1), "description": None} for n in range(600)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def start(repository: Path, *words: object, block: int = 2, no_torch: bool = True) -> subprocess.Popen[bytes]:
    script = SMALL_BLOCKS.format(block=block, no_torch=no_torch)
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", script, "predict", *map(str, words)], env=environment, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes]) -> str:
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_three_times_the_output_is_that_of_an_undisturbed_run(
    with_signal: signal.Signals, onnx: Path, records: Path, tmp_path: Path, repository: Path
) -> None:
    undisturbed, disturbed = tmp_path / "a" / "out.jsonl", tmp_path / "b" / "out.jsonl"
    finish(start(repository, onnx, "--input", records, "--output", undisturbed))
    progress = disturbed.with_name(".out.jsonl.progress.json")
    reached = 0
    for _ in range(3):
        process = start(repository, onnx, "--input", records, "--output", disturbed)
        while reached <= (before := _records(progress)) < 500 or before == 0:
            if before > reached + 40:
                break
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(with_signal)
        process.communicate(timeout=60)
        assert process.returncode != 0
        assert not disturbed.exists()
        reached = _records(progress)
        assert 0 < reached < 600
    said = finish(start(repository, onnx, "--input", records, "--output", disturbed))
    assert f"600 records ({reached} of them by an earlier run that was stopped)" in said
    assert disturbed.read_bytes() == undisturbed.read_bytes()
    assert [path.name for path in disturbed.parent.iterdir()] == ["out.jsonl"]
    assert [json.loads(line)["id"] for line in disturbed.read_text().splitlines()] == list(range(600))


def _records(progress: Path) -> int:
    try:
        return int(json.loads(progress.read_text())["records"])
    except (OSError, ValueError):
        return 0


def test_bundle_and_export_say_the_same(
    onnx: Path, small_run: Run, records: Path, tmp_path: Path, tagnet: Tagnet
) -> None:
    found = []
    for number, model in enumerate((onnx, small_run.dir / "bundle")):
        output = tmp_path / f"{number}.jsonl"
        code, _, err = tagnet("predict", str(model), "--input", str(records), "--output", str(output))
        assert code == 0, err
        found.append([json.loads(line) for line in output.read_text().splitlines()])
    for ours, theirs in zip(*found, strict=True):
        assert ours["id"] == theirs["id"]
        ours_of = {each["tag"]: each["probability"] for each in ours["tags"]}
        assert ours_of == pytest.approx({each["tag"]: each["probability"] for each in theirs["tags"]}, abs=1e-5)


def test_a_bad_row_is_found_before_all_else(onnx: Path, records: Path, tmp_path: Path, tagnet: Tagnet) -> None:
    with records.open("a") as stream:
        stream.write('{"id": 5, "title": "again"}\n')
    code, out, err = tagnet("predict", str(onnx), "--input", str(records), "--output", str(tmp_path / "out.jsonl"))
    assert (code, out) == (2, "")
    assert "row 601: id: expected an id of its own, found 5, the id of row 6 too" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "rya", "--input", "x"], "--engine: expected local or ray, found 'rya'; did you mean ray?"),
        (["--engine", "ray", "a text"], "--engine ray reads a file of records: name it with --input"),
        (["--device", "gpu", "a text"], "--device gpu: an ONNX export runs on the CPU"),
    ],
)
def test_what_cannot_be_is_one_clear_error(words: list[str], message: str, onnx: Path, tagnet: Tagnet) -> None:
    code, out, err = tagnet("predict", str(onnx), *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.slow
def test_ray_gives_the_same_output_and_goes_on_too(onnx: Path, records: Path, tmp_path: Path, repository: Path) -> None:
    local, ray = tmp_path / "local.jsonl", tmp_path / "ray.jsonl"
    words = (onnx, "--input", records, "--output")
    finish(start(repository, *words, local, block=50))
    process = start(repository, *words, ray, "--engine", "ray", block=50, no_torch=False)
    while _records(tmp_path / ".ray.jsonl.progress.json") < 100:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert not ray.exists()
    finish(start(repository, *words, ray, "--engine", "ray", block=50, no_torch=False))
    assert ray.read_bytes() == local.read_bytes()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(onnx: Path, tmp_path: Path, repository: Path) -> None:
    most = []
    for count in (2_000, 40_000):
        path = tmp_path / f"{count}.csv"
        path.write_text("id,title,description\n" + "".join(f"{n},title {n},{'word ' * 20}\n" for n in range(count)))
        words = ["predict", onnx, "--input", path, "--output", tmp_path / "out.jsonl", "--top", "1"]
        script = (
            "import resource, sys\n"
            "from tagnet.cli.main import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(repository / "src")},
            capture_output=True,
            text=True,
            timeout=240,
        )
        most.append(int(done.stdout.split()[-1]) / 1024)
    assert most[1] < most[0] + 60, most
