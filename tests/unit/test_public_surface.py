"""What `import tagnet` offers, and how little it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tagnet

HEAVY = ("torch", "transformers", "pytorch_lightning", "hydra", "datasets", "sklearn", "scipy", "pandas", "matplotlib")


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement."""
    script = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.split())


def test_the_public_names_are_these_and_no_others() -> None:
    assert tagnet.__all__ == [
        "Run",
        "TagPrediction",
        "Tagger",
        "TagnetError",
        "TrainConfig",
        "fit",
        "labeling_function",
        "train_config",
    ]
    assert dir(tagnet) == sorted(tagnet.__all__)
    for name in tagnet.__all__:
        assert getattr(tagnet, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = tagnet.trian


@pytest.mark.parametrize(
    "statement",
    [
        "import tagnet",
        "import tagnet.cli.main",
        "import tagnet.records.taxonomy, tagnet.records.label_space, tagnet.records.record, tagnet.records.io",
        "import tagnet.calibration.rule",
        "import tagnet.bundle",
        "import tagnet.cli.label_files",
    ],
)
def test_what_serving_needs_brings_nothing_heavy(statement: str) -> None:
    assert not modules_after(statement) & set(HEAVY)


def test_help_brings_nothing_heavy() -> None:
    statement = (
        "sys.argv = ['tagnet', '--help']\nimport tagnet.cli.main as cli\n"
        "import io, contextlib\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): cli.main()"
    )
    assert not modules_after(statement) & set(HEAVY)
