"""A million short records through `tagnet predict`, undisturbed, killed three times, and over Ray (bar 6).

    python -m benchmarks.serving.million EXPORT --folder DIR [--records 1000000] [--top 3] [--ray]

EXPORT is a folder of `tagnet export`, or a bundle. Run it again and it goes on: what is finished in DIR is not done
again. Kills fall where a quarter, a half and three quarters are written. Memory is the most that the process held
(Linux), over all attempts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json, write_with

WORDS = ("tiny", "sql", "engine", "image", "text", "graph", "model", "search", "speech", "robot", "web", "map", "game")
SHARES = (0.25, 0.5, 0.75)


def write_records(path: Path, count: int) -> None:
    """Short records, the same every time."""
    draw = random.Random(0)

    def write(temporary: Path) -> None:
        with temporary.open("w") as stream:
            for number in range(count):
                stream.write(json.dumps({"id": number, "title": " ".join(draw.choices(WORDS, k=4)), "description": ""}))
                stream.write("\n")

    write_with(path, write)


def predict(model: Path, source: Path, output: Path, *words: str, kill_at: int | None = None) -> dict[str, Any]:
    """Run the command; `kill_at`: until so many records are written."""
    command = [sys.executable, "-m", "tagnet.cli.main", "predict", str(model), "--input", str(source)]
    progress = output.with_name(f".{output.name}.progress.json")
    start, most = time.perf_counter(), 0.0
    process = subprocess.Popen([*command, "--output", str(output), *words], env=os.environ.copy())
    killed = False
    while process.poll() is None:
        most = max(most, _resident_megabytes(process.pid))
        if kill_at is not None and _written(progress) >= kill_at:
            process.send_signal(signal.SIGKILL)
            killed = True
            break
        time.sleep(0.05)
    process.wait()
    if process.returncode and not killed:
        raise SystemExit(f"tagnet predict ended with {process.returncode}")
    return {"seconds": round(time.perf_counter() - start, 1), "megabytes": round(most, 1), "killed": killed}


def _resident_megabytes(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0) / 1024


def _written(progress: Path) -> int:
    try:
        return int(json.loads(progress.read_text())["records"])
    except (OSError, ValueError):
        return 0


def measure(model: Path, folder: Path, count: int, top: int, *, ray: bool) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "million.json"
    found: dict[str, Any] = json.loads(state.read_text()) if state.is_file() else {"records": count, "attempts": {}}
    if found["records"] != count:
        raise SystemExit(f"{state} is of {found['records']} records; choose another --folder")
    source = folder / "records.jsonl"
    if not source.is_file():
        write_records(source, count)
    arms: dict[str, tuple[str, ...]] = {"undisturbed": (), "killed": ()}
    if ray:
        arms["ray"] = ("--engine", "ray")
    for name, words in arms.items():
        attempts = found["attempts"].setdefault(name, [])
        output = folder / f"{name}.jsonl"
        while not output.is_file():
            kills = sum(attempt["killed"] for attempt in attempts)
            kill_at = int(SHARES[kills] * count) if name == "killed" and kills < len(SHARES) else None
            attempts.append(predict(model, source, output, "--top", str(top), *words, kill_at=kill_at))
            write_json(state, found)
            print(name, attempts[-1], flush=True)
    found["sha256"] = {name: _hash(folder / f"{name}.jsonl") for name in arms}
    found["same"] = len(set(found["sha256"].values())) == 1
    with (folder / "undisturbed.jsonl").open("rb") as stream:
        found["lines"] = sum(1 for _ in stream)
    found["most_megabytes"] = max(
        each["megabytes"] for name in ("undisturbed", "killed") for each in found["attempts"][name]
    )
    write_json(state, found)
    return found


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--top", type=int, default=3)
    parser.add_argument("--ray", action="store_true")
    words = parser.parse_args()
    found = measure(words.export, words.folder, words.records, words.top, ray=words.ray)
    print(json.dumps(found, indent=2))
    kills = sum(attempt["killed"] for attempt in found["attempts"]["killed"])
    raise SystemExit(0 if found["same"] and found["lines"] == words.records and kills == len(SHARES) else 1)


if __name__ == "__main__":
    main()
