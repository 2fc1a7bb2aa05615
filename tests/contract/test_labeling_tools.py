"""Every tool's codec: tasks out, an annotator at work in the tool's own file, and exactly those answers back.

Each `answer_in_…` edits an exported file as the tool itself would export it afterwards.
"""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import extend_log, read_log
from tagnet.labeling.answers import Answer, make_answer
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.labelled_rows import read_labelled_rows, render_version
from tagnet.labeling.merge import merge
from tagnet.labeling.tasks import ShownTag, TaskBatch, make_batch
from tagnet.labeling.tools.brat import tag_of, type_of
from tagnet.labeling.tools.codec import NO_TAG, SKIP
from tagnet.labeling.tools.registry import CODECS
from tagnet.records.record import Record

FEATURES = ("title", "description")
TOOLS = [name for name in CODECS if name != "tagnet"]
WITHOUT_COMMENTS = ("argilla", "scale")
"""Tools that have no place for one in a classification."""


@dataclass(frozen=True)
class Decision:
    """What an annotator does with a task."""

    chosen: tuple[str, ...] | None
    """None: skip."""
    comment: str | None = None


Decisions = Sequence[Decision | None]
"""One a task, in order; None: the task is left waiting."""


def rewrite(path: Path, change: Callable[[Any, Decision | None], Any], decisions: Decisions) -> None:
    rows = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([change(*pair) for pair in zip(rows, decisions, strict=True)]), encoding="utf-8")


def answer_in_label_studio(path: Path, decisions: Decisions) -> None:
    def change(row: dict[str, Any], decision: Decision | None) -> dict[str, Any]:
        annotations = []
        if decision is not None:
            kind = {"from_name": "tags", "to_name": "text", "type": "choices"}
            result = [{**kind, "id": "x1", "origin": "manual", "value": {"choices": list(decision.chosen or ())}}]
            note = {"from_name": "note", "to_name": "text", "type": "textarea", "value": {"text": [decision.comment]}}
            annotations = [
                {
                    "id": 7,
                    "completed_by": {"id": 3, "email": "ann@example.org"},
                    "result": (result if decision.chosen else []) + ([note] if decision.comment else []),
                    "was_cancelled": decision.chosen is None,
                    "created_at": "2026-11-01T10:00:00Z",
                    "updated_at": "2026-11-02T10:00:00Z",
                    "lead_time": 3.5,
                }
            ]
        return {**row, "id": 12, "annotations": annotations, "drafts": [], "total_annotations": len(annotations)}

    rewrite(path, change, decisions)


def answer_in_doccano(path: Path, decisions: Decisions) -> None:
    lines = []
    for number, (line, decision) in enumerate(zip(path.read_text().splitlines(), decisions, strict=True), 1):
        row = json.loads(line)
        if decision is not None:  # what is not approved is not exported
            label = [SKIP] if decision.chosen is None else list(decision.chosen)
            comments = [decision.comment] if decision.comment else []
            lines.append(json.dumps({"id": number, **row, "label": label, "Comments": comments}, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def answer_in_prodigy(path: Path, decisions: Decisions) -> None:
    lines = []
    for line, decision in zip(path.read_text().split("\n"), decisions, strict=False):
        row = json.loads(line)
        if decision is not None:
            row |= {"accept": list(decision.chosen or ()), "answer": "ignore" if decision.chosen is None else "accept"}
            row |= {"_input_hash": 1, "_annotator_id": "ann", "_timestamp": 1793613600}
            row |= {"comment": decision.comment} if decision.comment else {}
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines), encoding="utf-8")


def answer_in_argilla(path: Path, decisions: Decisions) -> None:
    def change(row: dict[str, Any], decision: Decision | None) -> dict[str, Any]:
        if decision is None:
            return row
        value = [SKIP] if decision.chosen is None else list(decision.chosen) or [NO_TAG]
        response = {"value": value, "user_id": "8f7c1c1e-0000-4000-8000-000000000001"}
        return {**row, "responses": {"tags": [response]}, "status": "completed", "_server_id": "s"}

    rewrite(path, change, decisions)


def answer_in_universal_data_tool(path: Path, decisions: Decisions) -> None:
    whole = json.loads(path.read_text(encoding="utf-8"))
    for row, decision in zip(whole["samples"], decisions, strict=True):
        if decision is None:
            del row["annotation"]
        else:
            row["annotation"] = [SKIP] if decision.chosen is None else list(decision.chosen)
            row["comment"] = decision.comment
    path.write_text(json.dumps(whole), encoding="utf-8")


def answer_in_scale(path: Path, decisions: Decisions) -> None:
    def change(row: dict[str, Any], decision: Decision | None) -> dict[str, Any]:
        params = {key: row[key] for key in ("attachments", "fields", "instruction")}
        task = {"task_id": "5f", "type": "textcollection", "metadata": row["metadata"], "params": params}
        if decision is None:
            return {**task, "status": "pending"}
        response = [SKIP] if decision.chosen is None else list(decision.chosen)
        annotations = {"tags": {"type": "category", "field_id": "tags", "response": [response]}}
        done = {"status": "completed", "completed_at": "2026-11-02T10:00:00Z"}
        return {**task, **done, "response": {"annotations": annotations}}

    rewrite(path, change, decisions)


def answer_in_brat(path: Path, decisions: Decisions) -> None:
    for ann, decision in zip(sorted(path.glob("*.ann")), decisions, strict=True):
        if decision is None:
            ann.unlink()
            continue
        word = ann.with_suffix(".txt").read_text(encoding="utf-8").split(maxsplit=1)[0]
        types = ["_skip"] if decision.chosen is None else [type_of(tag) for tag in decision.chosen]
        lines = [f"T{n}\t{each} 0 {len(word)}\t{word}\n" for n, each in enumerate(types, 1)]
        if decision.comment and types:
            lines.append(f"#1\tAnnotatorNotes T1\t{decision.comment}\n")
        ann.write_text("".join(lines), encoding="utf-8")


def answer_in_superintendent(path: Path, decisions: Decisions) -> None:
    def change(row: dict[str, Any], decision: Decision | None) -> dict[str, Any]:
        if decision is None:
            return {**row, "labels": None}
        skipped = decision.chosen is None
        return {**row, "labels": list(decision.chosen or ()), "skipped": skipped, "comment": decision.comment}

    rewrite(path, change, decisions)


def answer_in_csv(path: Path, decisions: Decisions) -> None:
    header, *rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    for row, decision in zip(rows, decisions, strict=True):
        cells = dict(zip(header, row, strict=True))
        if decision is None:
            cells["status"] = "open"
        elif decision.chosen is None:
            cells["status"] = "skip"
        else:
            cells["tags"] = json.dumps(decision.chosen)
        cells["comment"] = (decision.comment or "") if decision is not None else ""
        row[:] = list(cells.values())
    stream = io.StringIO()
    csv.writer(stream).writerows([header, *rows])
    path.write_text(stream.getvalue(), encoding="utf-8", newline="")


ANSWER_IN: Mapping[str, Callable[[Path, Decisions], None]] = {
    "label-studio": answer_in_label_studio,
    "doccano": answer_in_doccano,
    "prodigy": answer_in_prodigy,
    "argilla": answer_in_argilla,
    "universal-data-tool": answer_in_universal_data_tool,
    "scale": answer_in_scale,
    "brat": answer_in_brat,
    "superintendent": answer_in_superintendent,
    "csv": answer_in_csv,
}


def through(tool: str, batch: TaskBatch, decisions: Decisions, folder: Path) -> Collected:
    """Out, answered, and back in."""
    path = folder / f"tasks-{tool}"
    CODECS[tool].write(batch, path)
    ANSWER_IN[tool](path, decisions)
    return collect(CODECS[tool].read(path), tool=tool, file=path.name, file_sha256=None)


def said(answer: Answer) -> tuple[object, ...]:
    """All of an answer but who and when, which not every tool says; tags as sets, for tools order them."""
    tags = (frozenset(each) for each in (answer.kept, answer.added, answer.removed))
    return (type(answer.project_id), answer.project_id, *tags, answer.skipped, answer.empty)


def expected(batch: TaskBatch, decisions: Decisions) -> list[Answer]:
    return [
        make_answer(task.slip.project_id, task.shown, decision.chosen, comment=decision.comment)
        for task, decision in zip(batch.tasks, decisions, strict=True)
        if decision is not None
    ]


def decide(batch: TaskBatch, seed: int) -> list[Decision | None]:
    """Adds, removes, skips, empties, comments and tasks left waiting, at random."""
    draw = random.Random(seed)
    decisions: list[Decision | None] = []
    for task in batch.tasks:
        kept = [tag for tag in task.shown if draw.random() < 0.8]
        added = draw.sample(batch.tags, k=draw.choice((0, 0, 1, 2)))
        decisions.append(
            draw.choice(
                [
                    Decision(tuple(dict.fromkeys([*kept, *added])), "why not?"),
                    Decision(tuple(task.shown)),
                    Decision(()),
                    Decision(None),
                    None,
                ]
            )
        )
    return decisions


# ------------------------------------------------------------------------------------------- the whole of MadeWithML


@pytest.fixture(scope="module")
def madewithml(shared_data: Path) -> TaskBatch:
    rows = read_labelled_rows(str(shared_data / "projects.json"), {})
    assert len(rows.rows) == 2032
    return make_batch(rows.records(FEATURES), FEATURES)


@pytest.mark.parametrize("tool", TOOLS)
def test_all_projects_come_back_as_they_were(
    tool: str, madewithml: TaskBatch, shared_data: Path, tmp_path: Path
) -> None:
    decisions = [Decision(task.shown) for task in madewithml.tasks]
    found = through(tool, madewithml, decisions, tmp_path)
    assert (len(found.answers), found.num_waiting, found.review) == (2032, 0, ())
    assert all(answer.kept == task.shown for (answer, _), task in zip(found.answers, madewithml.tasks, strict=True))

    records = read_labelled_rows(str(shared_data / "projects.json"), {})
    merged = merge(records, [answer for answer, _ in found.answers], {each.answer: each for _, each in found.answers})
    assert not merged.changes
    assert not merged.review
    text = render_version(records, merged.tags, Path("new.json"))
    assert json.loads(text) == json.loads((shared_data / "projects.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("tool", TOOLS)
def test_what_annotators_did_comes_back_and_nothing_else(
    tool: str, madewithml: TaskBatch, shared_data: Path, tmp_path: Path
) -> None:
    decisions = decide(madewithml, seed=len(tool))
    found = through(tool, madewithml, decisions, tmp_path)
    wanted = expected(madewithml, decisions)
    assert list(map(said, (answer for answer, _ in found.answers))) == list(map(said, wanted))
    # doccano leaves out what is not approved, and with it tags that are shown nowhere else.
    assert {entry.reason for entry in found.review} <= ({"unknown_tags"} if tool == "doccano" else set())
    waiting = sum(decision is None for decision in decisions)
    assert found.num_waiting == (0 if tool == "doccano" else waiting)
    if tool not in WITHOUT_COMMENTS:
        comments = [each.comment for each in wanted if each.tags]
        assert [answer.comment for answer, _ in found.answers if answer.tags] == comments

    log = tmp_path / "answers.jsonl"
    assert extend_log(log, found.answers) == len(wanted)
    assert extend_log(log, found.answers) == 0
    read = read_log(log)
    records = read_labelled_rows(str(shared_data / "projects.json"), {})
    merged = merge(records, read.answers, read.origins)
    assert merged.review == ()
    for place, (task, decision) in enumerate(zip(madewithml.tasks, decisions, strict=True)):
        after = merged.tags.get(place, records.tags[place])
        unchanged = decision is None or decision.chosen is None
        assert set(after) == set(task.shown if unchanged or decision is None else decision.chosen or ())


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_asked_is_seen_and_the_answers_count(tool: str, tmp_path: Path) -> None:
    rows = [Record(n, {"title": f"Title {n}", "description": "=1"}, ("a",), None) for n in (1, 2)]
    (tmp_path / "rows.json").write_text(json.dumps([{"id": r.id, **r.fields, "tags": list(r.tags)} for r in rows]))
    asked = ['Please check: is "b" missing (0.97)? is "a" wrong (0.01)?', ""]
    suggested = [[ShownTag("b", "model", "audit", 0.97)], []]
    batch = make_batch(rows, FEATURES, suggested=suggested, asked=asked)
    written = CODECS[tool].write(batch, tmp_path / "seen")
    files = [each for path in written for each in ([path] if path.is_file() else path.iterdir())]
    seen = "".join(each.read_text(encoding="utf-8") for each in files)
    assert "Please check: is" in seen
    found = through(tool, batch, [Decision(("b",)), Decision(("a",))], tmp_path)
    assert found.review == ()
    records = read_labelled_rows(str(tmp_path / "rows.json"), {})
    merged = merge(records, [answer for answer, _ in found.answers], {each.answer: each for _, each in found.answers})
    assert not merged.review
    assert merged.tags == {0: ("b",)}


# ----------------------------------------------------------------------------------------------------- odd records

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)
TAGS = WORDS.filter(lambda tag: tag == tag.strip() and tag not in (SKIP, NO_TAG))
IDS = st.one_of(st.integers(-5, 10**12), WORDS)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)


@st.composite
def answered_batches(draw: st.DrawFn) -> tuple[TaskBatch, list[Decision | None]]:
    pool = draw(st.lists(TAGS, min_size=1, max_size=6, unique=True))
    some = st.lists(st.sampled_from(pool), max_size=4, unique=True)
    ids = draw(st.lists(IDS, min_size=1, max_size=4, unique_by=str))
    records = [
        Record(each, {"title": "x" + draw(TEXTS), "description": draw(TEXTS)}, tuple(draw(some)), None) for each in ids
    ]
    suggested = [
        [ShownTag(tag, "model", "v1", draw(st.floats(0, 1))) for tag in draw(some)] if draw(st.booleans()) else []
        for _ in ids
    ]
    decision = st.one_of(
        st.none(),
        st.just(Decision(None)),
        st.builds(Decision, st.lists(st.one_of(st.sampled_from(pool), TAGS), max_size=5, unique=True).map(tuple)),
    )
    batch = make_batch(records, FEATURES, suggested=suggested, declared=pool)
    decisions: list[Decision | None] = [draw(decision) for _ in ids]
    return batch, decisions


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=40)
@given(case=answered_batches())
def test_odd_records_come_back_too(tool: str, case: tuple[TaskBatch, list[Decision | None]]) -> None:
    batch, decisions = case
    with tempfile.TemporaryDirectory() as folder:
        found = through(tool, batch, decisions, Path(folder))
    assert list(map(said, (answer for answer, _ in found.answers))) == list(map(said, expected(batch, decisions)))
    for answer, origin in found.answers:
        (task,) = [task for task in batch.tasks if task.slip.project_id == answer.project_id]
        assert origin.slip == task.slip
    offered = set(batch.tags)
    strange = {tag for entry in found.review for tag in entry.tags}
    assert {entry.reason for entry in found.review} <= {"unknown_tags"}
    assert strange >= {tag for answer, _ in found.answers for tag in answer.added} - offered


@given(TAGS)
def test_a_tag_is_a_type_of_brat_and_back(tag: str) -> None:
    assert tag_of(type_of(tag)) == tag
    assert type_of(tag).replace("_", "").replace("-", "").isalnum() or not type_of(tag).strip("_-")


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.fixture
def small_batch() -> TaskBatch:
    records = [
        Record(number, {"title": f"Title {number}", "description": "About it."}, ("a", "b"), None)
        for number in (1, 2, 3)
    ]
    return make_batch(records, FEATURES)


def exported(tool: str, batch: TaskBatch, folder: Path) -> Path:
    path = folder / f"tasks-{tool}"
    CODECS[tool].write(batch, path)
    ANSWER_IN[tool](path, [Decision(("a",))] * len(batch.tasks))
    return path


def edit(path: Path, old: str, new: str, count: int = -1) -> None:
    """Change what the tool's files hold, wherever it stands."""
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        text = file.read_text(encoding="utf-8")
        if old in text:
            file.write_text(text.replace(old, new, count), encoding="utf-8")
            if count == 1:
                return


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_of_another_project_is_one_error(tool: str, small_batch: TaskBatch, tmp_path: Path) -> None:
    path = exported(tool, small_batch, tmp_path)
    edit(path, "seal", "leaf")
    with pytest.raises(LabelingError, match="none of its 3 tasks is one that tagnet sent"):
        collect(CODECS[tool].read(path), tool=tool, file=path.name, file_sha256=None)


@pytest.mark.parametrize("tool", TOOLS)
def test_an_edited_slip_goes_to_review(tool: str, small_batch: TaskBatch, tmp_path: Path) -> None:
    path = exported(tool, small_batch, tmp_path)
    hash_2 = small_batch.tasks[1].slip.content_hash
    edit(path, hash_2, hash_2[::-1])
    found = collect(CODECS[tool].read(path), tool=tool, file=path.name, file_sha256=None)
    assert [answer.project_id for answer, _ in found.answers] == [1, 3]
    (entry,) = found.review
    assert entry.reason == "not_our_task"
    assert entry.found


@pytest.mark.parametrize("tool", TOOLS)
def test_a_changed_text_goes_to_review(tool: str, small_batch: TaskBatch, tmp_path: Path) -> None:
    path = exported(tool, small_batch, tmp_path)
    edit(path, "Title 2", "Another 2")
    found = collect(CODECS[tool].read(path), tool=tool, file=path.name, file_sha256=None)
    assert [answer.project_id for answer, _ in found.answers] == [1, 3]
    (entry,) = found.review
    assert (entry.reason, entry.project_id) == ("text_changed", 2)
    assert entry.found


@pytest.mark.parametrize("tool", TOOLS)
def test_a_half_written_file_is_one_error(tool: str, small_batch: TaskBatch, tmp_path: Path) -> None:
    path = exported(tool, small_batch, tmp_path)
    half = sorted(path.glob("*.ann"))[1] if path.is_dir() else path
    text = half.read_text(encoding="utf-8")
    half.write_text(text[:8] if path.is_dir() else text[: len(text) * 3 // 4], encoding="utf-8")
    with pytest.raises(LabelingError, match=half.name) as caught:
        CODECS[tool].read(path)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("tool", [*TOOLS, "tagnet"])
@pytest.mark.parametrize("content", ["", "[1, 2]", '{"a": 1}', "a,b\n1,2\n", "\x00\x01", "[" * 100_000], ids=range(6))
def test_what_is_no_export_is_one_error(tool: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    if content == "" and tool not in ("brat", "csv", "universal-data-tool"):
        replies = CODECS[tool].read(path)
        assert (replies.replies, replies.waiting) == ((), ())
        return
    with pytest.raises(LabelingError) as caught:
        collect(CODECS[tool].read(path), tool=tool, file=path.name, file_sha256=None)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("tool", TOOLS)
def test_unknown_tags_go_to_review_and_stay_in_the_answer(tool: str, small_batch: TaskBatch, tmp_path: Path) -> None:
    found = through(tool, small_batch, [Decision(("a", "stranger")), None, None], tmp_path)
    (answer, _) = found.answers[0]
    assert answer.added == ("stranger",)
    (entry,) = found.review
    assert (entry.reason, entry.tags) == ("unknown_tags", ("stranger",))
