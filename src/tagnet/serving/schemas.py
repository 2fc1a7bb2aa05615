"""What comes in and what goes out, as pydantic checks it and OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RecordFields = Annotated[
    dict[str, Any],
    Field(
        description="The fields that the model reads, each a text or null; at least one of them. Others are ignored.",
        examples=[{"title": "A tiny SQL engine", "description": "Joins and windows in 500 lines."}],
    ),
]
TagName = Annotated[str, Field(max_length=1000)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class TagsRequest(_Request):
    """Records to suggest tags for."""

    # One fault is enough: half a million of them, which fit into a body, take seconds to be told.
    records: Annotated[list[RecordFields], Field(min_length=1, fail_fast=True)]
    top: Annotated[int, Field(ge=1, description="Only that many tags a record, the most probable.")] | None = None


class ExplainRequest(_Request):
    """One record, and the tags whose words are asked for."""

    record: RecordFields
    tags: Annotated[list[TagName], Field(min_length=1, fail_fast=True)]


class ShownTag(_Request):
    """A tag that the annotator was shown, and who put it there."""

    tag: TagName
    probability: Probability | None = None
    source: Literal["model", "author", "rule"]


class AnnotationRequest(_Request):
    """What an author makes of the tags that were shown."""

    record: Annotated[
        dict[str, Any], Field(description="As for /v1/tags; its `id`, an integer or a text, may stand beside them.")
    ]
    shown: Annotated[list[ShownTag], Field(max_length=10_000)]
    kept: Annotated[list[TagName], Field(max_length=10_000)]
    added: Annotated[list[TagName], Field(max_length=10_000)]
    removed: Annotated[list[TagName], Field(max_length=10_000)]
    model_version: (
        Annotated[str, Field(min_length=1, max_length=200, description="Of the answer that the tags were shown from.")]
        | None
    ) = None
    comment: Annotated[str, Field(max_length=4000)] | None = None
    annotator: Annotated[str, Field(max_length=200)] | None = None


class _LabelStudioRequest(BaseModel):
    """Label Studio sends more with every version: what is not needed is passed over."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class SetupRequest(_LabelStudioRequest):
    """A project has taken this server as its ML backend. The token that it sends is not wanted, and not kept."""


class PredictRequest(_LabelStudioRequest):
    """Tasks to predict for, and the project's labeling config."""

    tasks: list[dict[str, Any]]
    label_config: str


class WebhookRequest(_LabelStudioRequest):
    """Something has happened in a project."""

    action: str
    annotation: dict[str, Any] | list[dict[str, Any]] | None = None
    annotations: list[dict[str, Any]] | None = None
    task: dict[str, Any] | list[dict[str, Any]] | None = None


class Tag(BaseModel):
    """What the model says of one tag."""

    tag: str
    probability: Probability
    threshold: Probability
    accepted: bool


class RecordTags(BaseModel):
    """The tags of one record, from the most to the least probable."""

    tags: list[Tag]


class TagsAnswer(BaseModel):
    """One result a record, in order."""

    results: list[RecordTags]
    model_version: str


class Label(BaseModel):
    """A tag that the model knows."""

    tag: str
    threshold: Probability
    aliases: list[str]
    parents: list[str]
    train_count: int


class LabelsAnswer(BaseModel):
    """What the model knows, and whether answers are stored."""

    model_version: str
    features: list[str]
    annotations: bool
    tags: list[Label]


class Word(BaseModel):
    """A part of the text, and how much it speaks for the tag."""

    feature: str
    start: int = Field(description="In characters (code points) of the feature's text.")
    end: int
    text: str
    weight: float = Field(description="By how much the tag's log-odds fall when the part is left out.")


class ExplainedTag(BaseModel):
    """A tag and the words that carried it, in the order of the text."""

    tag: str
    probability: Probability
    words: list[Word]


class ExplainAnswer(BaseModel):
    """The tags in the order in which they were asked for."""

    model_version: str
    tags: list[ExplainedTag]


class AnnotationAnswer(BaseModel):
    """The annotation is on disk."""

    id: str
    stored: Literal[True]


class StateAnswer(BaseModel):
    """`ok`, or why not."""

    status: str


class ReloadAnswer(BaseModel):
    """The model that is served now."""

    model_version: str
    changed: bool


class Error(BaseModel):
    """A code for programs, and a sentence that says what to do."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """A request that was not answered."""

    error: Error
