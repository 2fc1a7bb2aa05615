"""What tagnet asks for, by metadata written for the test, against what is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagnet.training.packages import missing_packages, versions

METADATA = """\
Metadata-Version: 2.4
Name: tagnet
Version: 7.8
Requires-Dist: numpy>=1
Provides-Extra: train
Requires-Dist: rich>=1,<1000; extra == "train"
Requires-Dist: no-such-package>=3; extra == "train"
Provides-Extra: old
Requires-Dist: numpy<1; extra == "old"
Provides-Extra: all
Requires-Dist: tagnet[old,train]; extra == "all"
Provides-Extra: fine
Requires-Dist: rich[jupyter]; extra == "fine"
Provides-Extra: dev
Requires-Dist: no-such-tool; extra == "dev"
"""


@pytest.fixture
def metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tagnet-7.8.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("metadata")
def test_an_extra_says_what_is_missing_or_of_the_wrong_version() -> None:
    old = f"numpy<1 (found {np.__version__})"
    assert missing_packages() == {
        "train": ("no-such-package",),
        "old": (old,),
        "all": (old, "no-such-package"),
        "fine": (),
    }


@pytest.mark.usefixtures("metadata")
def test_versions_are_those_of_the_core_and_of_train() -> None:
    found = versions()
    assert list(found) == ["tagnet", "numpy", "rich", "no-such-package"]
    assert found["tagnet"] == "7.8"
    assert found["numpy"] == np.__version__
    assert found["no-such-package"] is None


def test_here_training_is_installed() -> None:
    assert missing_packages()["train"] == ()
    assert all(versions().values())
