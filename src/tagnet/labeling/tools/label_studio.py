"""Label Studio: tasks with predictions, its labeling config, and its full JSON export.

Shapes are those of Label Studio 1.23.2: https://labelstud.io/guide/tasks, https://labelstud.io/guide/predictions and
https://labelstud.io/guide/export. JSON_MIN and its CSV are refused: they leave out who skipped, and a data key `id` is
overwritten in them, which is why ours is `project_id`.

To build on this: `encode_task` is the body of one task for the REST API's import, `labeling_config` the project's
`label_config`; `decode_task` takes one task of an export or of the API (with its `annotations`) to replies, which
`labeling.collect.collect` turns into answers and review entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from xml.sax.saxutils import quoteattr

from tagnet.atomic import write_text
from tagnet.errors import LabelingError
from tagnet.labeling.tasks import LabelTask, TaskBatch, read_slip, write_slip
from tagnet.labeling.tools.codec import SLIP, Replies, Reply, as_iso, as_name, beside, read_rows, write_rows
from tagnet.records.json_files import describe

Control = Literal["choices", "taxonomy"]
CONTROLS: tuple[Control, ...] = get_args(Control)

CONTROL_NAME = "tags"
"""The control in which tags are chosen: what results call `from_name`."""
TEXT_NAME = "text"
AUTHOR_ONLY = "author"
"""The model version of predictions where no model was asked."""
_EXPECTED = "a task of Label Studio's full JSON export"


@dataclass(frozen=True)
class LabelStudio:
    """The codec; `control` is the way in which tags are chosen."""

    name: str = "label-studio"
    control: Control = "choices"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the tasks, and the labeling config beside them."""
        config = beside(output, "config.xml")
        xml = labeling_config(batch, self.control)
        version = _one_version(batch)
        write_rows(output, (encode_task(task, batch, self.control, version) for task in batch.tasks))
        write_text(config, xml)
        return [output, config]

    def read(self, path: Path) -> Replies:
        """Read a full JSON export."""
        rows = list(read_rows(path, self.name, _EXPECTED))
        replies = [reply for place, row in rows for reply in decode_task(row, place)]
        waiting = tuple(row["data"].get(SLIP) for place, row in rows if not annotations_of(row, place))
        return Replies(tuple(replies), None, waiting)


def encode_task(
    task: LabelTask, batch: TaskBatch, control: Control = "choices", model_version: str = AUTHOR_ONLY
) -> dict[str, Any]:
    """A task as Label Studio's import takes it; the shown tags are its one prediction, and so are ticked.

    `data` holds the fields under their own names, `text`, `project_id`, `content_hash` and the slip. `model_version` is
    the same for all tasks of a project: Label Studio shows the predictions of one version alone.
    """
    slip = task.slip
    own = {"project_id": slip.project_id, "content_hash": slip.content_hash, "text": task.text, SLIP: write_slip(slip)}
    prediction: dict[str, Any] = {
        "model_version": model_version,
        "result": [encode_tags(task.shown, batch.parents, control)] if task.shown else [],
    }
    probabilities = [each.probability for each in slip.shown if each.probability is not None]
    if probabilities:
        prediction["score"] = sum(probabilities) / len(probabilities)
    return {"data": {**task.fields, **own}, "predictions": [prediction]}


def _one_version(batch: TaskBatch) -> str:
    versions = {each.model_version for task in batch.tasks for each in task.slip.shown if each.model_version}
    return "+".join(sorted(versions)) or AUTHOR_ONLY


def encode_tags(tags: Sequence[str], parents: Mapping[str, str], control: Control = "choices") -> dict[str, Any]:
    """The result of a prediction, or of an annotation, that ticks these tags.

    >>> encode_tags(["a"], {}, "choices")["value"]
    {'choices': ['a']}
    >>> encode_tags(["b"], {"b": "a"}, "taxonomy")["value"]
    {'taxonomy': [['a', 'b']]}
    """
    value = list(tags) if control == "choices" else [path_of(tag, parents) for tag in tags]
    return {"from_name": CONTROL_NAME, "to_name": TEXT_NAME, "type": control, "value": {control: value}}


def path_of(tag: str, parents: Mapping[str, str]) -> list[str]:
    """The tags from the top of the tree down to a tag, by the first parent of each.

    >>> path_of("c", {"c": "b", "b": "a"})
    ['a', 'b', 'c']
    """
    path = [tag]
    while path[0] in parents:
        path.insert(0, parents[path[0]])
    return path


def labeling_config(batch: TaskBatch, control: Control = "choices") -> str:
    """The project's labeling config: the text, a filter, and every tag that can be chosen.

    Raises:
        LabelingError: a tag holds a character that XML cannot.
    """
    for tag in batch.tags:
        if any((letter < " " and letter not in "\t\n\r") or letter in "\ufffe\uffff" for letter in tag):
            raise LabelingError(
                f"the tag {tag!r}: expected characters that XML can hold, found others; Label Studio's config is XML.\n"
                "Mend the tag, or use another tool."
            )
    if control == "choices":
        inner = "\n".join(f"    <Choice value={quoteattr(tag)}/>" for tag in batch.tags)
        group = f'  <Choices name="{CONTROL_NAME}" toName="{TEXT_NAME}" choice="multiple">\n{inner}\n  </Choices>'
        find = (
            f'  <Filter name="find" toName="{CONTROL_NAME}" hotkey="shift+f" minlength="0" placeholder="Find a tag"/>\n'
        )
    else:
        inner = "\n".join(_tree(batch))
        group = f'  <Taxonomy name="{CONTROL_NAME}" toName="{TEXT_NAME}">\n{inner}\n  </Taxonomy>'
        find = ""
    return f'<View>\n  <Text name="{TEXT_NAME}" value="$text"/>\n{find}{group}\n</View>\n'


def _tree(batch: TaskBatch, above: tuple[str, ...] = (), indent: str = "    ") -> list[str]:
    """The tags below a path as nested choices, each below the first of its parents."""
    lines = []
    paths = {tuple(path_of(tag, batch.parents)) for tag in batch.tags}
    for tag in sorted({path[len(above)] for path in paths if len(path) > len(above) and path[: len(above)] == above}):
        below = _tree(batch, (*above, tag), indent + "  ")
        if below:
            lines += [f"{indent}<Choice value={quoteattr(tag)}>", *below, f"{indent}</Choice>"]
        else:
            lines.append(f"{indent}<Choice value={quoteattr(tag)}/>")
    return lines


def decode_task(row: Mapping[str, Any], place: str) -> list[Reply]:
    """One reply an annotation; none where the task waits.

    Raises:
        LabelingError: it is no task of a full JSON export, or an annotation is none of ours.
    """
    data = row.get("data")
    if not isinstance(data, Mapping):
        raise LabelingError(
            f"{place}: expected {_EXPECTED}, with the keys data and annotations; found {', '.join(row) or 'none'}\n"
            "Export the project as JSON, not as JSON-MIN, CSV or TSV."
        )
    spots = ((f"{place}, annotation {number}", each) for number, each in enumerate(annotations_of(row, place), 1))
    return [decode_annotation({"id": row.get("id"), "data": data}, annotation, spot) for spot, annotation in spots]


def decode_annotation(row: Mapping[str, Any], annotation: Mapping[str, Any], place: str) -> Reply:
    """The reply in one annotation of a task; `row` has the task's `id` and `data`.

    Raises:
        LabelingError: it is none of ours.
    """
    data = row["data"]
    skipped = annotation.get("was_cancelled") is True
    chosen = _chosen(annotation.get("result"), place, skipped=skipped)
    return Reply(
        place=place,
        slip=checked_slip(data),
        chosen=None if skipped else chosen,
        text=data["text"] if isinstance(data.get("text"), str) else "",
        annotator=as_name(annotation.get("completed_by")),
        at=as_iso(annotation.get("updated_at")) or as_iso(annotation.get("created_at")),
        comment=_comment(annotation),
        found={"task": row["id"], "data": dict(data), "annotation": dict(annotation)},
    )


def annotations_of(row: Mapping[str, Any], place: str) -> list[Mapping[str, Any]]:
    """The annotations of a task; what Label Studio calls drafts and predictions is none.

    Raises:
        LabelingError: they are no list of annotations.
    """
    found = row.get("annotations")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise LabelingError(
            f"{place}: annotations: expected a list of annotations, found {describe(found)}\n"
            "Export the project as JSON, not as JSON-MIN, CSV or TSV."
        )
    return found


def checked_slip(data: Mapping[str, Any]) -> object:
    """The slip, unless the ids beside it, by which people search, say something else."""
    slip = data.get(SLIP)
    try:
        read = read_slip(slip)
    except LabelingError:
        return slip
    same = data.get("project_id", read.project_id) == read.project_id
    return slip if same and data.get("content_hash", read.content_hash) == read.content_hash else None


def _chosen(result: object, place: str, *, skipped: bool) -> tuple[str, ...]:
    if result is None and skipped:
        return ()
    if not isinstance(result, list) or not all(isinstance(each, Mapping) for each in result):
        raise LabelingError(f"{place}: result: expected a list, found {describe(result)}")
    return tuple(dict.fromkeys(tag for each in result for tag in _tags_of(each, place)))


def _tags_of(each: Mapping[str, Any], place: str) -> Iterable[str]:
    kind, value = each.get("type"), each.get("value")
    if kind not in ("choices", "taxonomy") or each.get("from_name", CONTROL_NAME) != CONTROL_NAME:
        if kind in ("textarea", "rating", "number", "datetime"):
            return []  # a control that the team put beside ours
        raise LabelingError(
            f"{place}: expected results of the control {CONTROL_NAME!r} (choices or taxonomy), "
            f"found {describe(kind)} of {describe(each.get('from_name'))}"
        )
    tags = value.get(kind) if isinstance(value, Mapping) else None
    if kind == "choices" and isinstance(tags, str):
        tags = [tags]
    if kind == "taxonomy" and isinstance(tags, list) and all(isinstance(path, list) and path for path in tags):
        tags = [path[-1] for path in tags]
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise LabelingError(f"{place}: value: expected a list of {kind}, found {describe(value)}")
    return tags


def _comment(annotation: Mapping[str, Any]) -> str | None:
    """What the annotator wrote into a text area, or as comments beside the annotation."""
    words: list[str] = []
    for each in annotation.get("result") or []:
        if each.get("type") == "textarea" and isinstance(each.get("value"), Mapping):
            text = each["value"].get("text")
            words += [text] if isinstance(text, str) else [str(line) for line in text or []]
    for each in annotation.get("comments") or []:
        if isinstance(each, Mapping) and isinstance(each.get("text"), str):
            words.append(each["text"])
    return "\n".join(words) or None
