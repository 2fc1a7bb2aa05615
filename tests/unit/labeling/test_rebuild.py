"""What a rebuilt version has to be; the ways there are in test_version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import AnswerLog
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.labeling.rebuild import rebuild
from tagnet.labeling.version import Step


def test_something_else_is_refused(records: LabelledRows, tmp_path: Path) -> None:
    empty = AnswerLog((), (), {})
    step = Step(records.fingerprint, empty.fingerprint(0), 0, "latest", {}, None, (), ".json", "00")
    with pytest.raises(LabelingError, match="step 1 of 1: expected a version with the fingerprint 00"):
        rebuild([step], records.source, [empty], tmp_path / "new.json")
    assert not (tmp_path / "new.json").exists()
    with pytest.raises(LabelingError, match="expected records"):
        rebuild([replace(step, records="11")], records.source, [empty], tmp_path / "new.json")
