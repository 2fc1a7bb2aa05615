from __future__ import annotations

from pathlib import Path

import pytest

from tagnet.errors import RecordError, TaxonomyError
from tagnet.records.json_files import describe, read_json


def test_reads_utf8_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    for name, start in (("plain.json", b""), ("mark.json", b"\xef\xbb\xbf")):
        path = tmp_path / name
        path.write_bytes(start + '{"ä": 1}'.encode())
        assert read_json(path, "an object", RecordError) == {"ä": 1}


def test_broken_json_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('[\n  {"id": 1},\n  {"id": }\n]')
    with pytest.raises(TaxonomyError, match=r"broken\.json: expected an array, found broken JSON at line 3, column 10"):
        read_json(path, "an array", TaxonomyError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "broken JSON at line 1, column 1"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[" + b"1" * 5_000 + b"]", "JSON that cannot be read"),
        (b'["\xe9"]', "expected UTF-8, found byte 0xe9 at byte 2"),
    ],
    ids=["empty", "deep", "huge number", "latin-1"],
)
def test_what_json_can_break_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=message) as caught:
        read_json(path, "an array", RecordError)
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") < 3


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "projects.json").write_text("[]")
    with pytest.raises(RecordError, match=r"project\.json: no such file; did you mean projects\.json\?"):
        read_json(tmp_path / "project.json", "an array", RecordError)
    with pytest.raises(RecordError, match=r"its folder .*elsewhere does not exist either"):
        read_json(tmp_path / "elsewhere" / "project.json", "an array", RecordError)
    with pytest.raises(RecordError, match="expected a file, found a folder"):
        read_json(tmp_path, "an array", RecordError)


def test_describe_stays_short_and_on_one_line() -> None:
    assert describe({"text": "a\nb" * 100}).count("\n") == 0
    assert len(describe("x" * 1000)) == 60
    assert describe(object()).startswith("<object")
