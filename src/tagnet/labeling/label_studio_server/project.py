"""The project on the server: found by its title, made where there is none, its labeling config held against the tags.

A title is ours to choose; the server's number of a project says nothing once a database was set up anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tagnet.errors import ConfigError, LabelingError, nearest
from tagnet.labeling.label_studio_server.config_xml import Offer, missing_tags, read_offers, with_tags
from tagnet.labeling.label_studio_server.connection import Connection, field
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.label_studio import CONTROL_NAME, TEXT_NAME, Control, labeling_config

_PAGE = 100
_TITLE_LENGTHS = (3, 50)


@dataclass(frozen=True)
class Project:
    """A project as the server describes it."""

    number: int
    """The server's; it is used for the length of one command and never stored."""
    title: str
    config: str
    """Its labeling config, XML."""
    shown_model: str | None
    """The model version whose predictions annotators find ticked."""

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/api/projects/{self.number}/"


def check_title(title: str) -> str:
    """A title that Label Studio takes.

    Raises:
        ConfigError: it is too short or too long.
    """
    least, most = _TITLE_LENGTHS
    if not least <= len(title) <= most or title != title.strip():
        raise ConfigError(
            f"--project: expected the title of a project, {least} to {most} characters and no blank at its ends, "
            f"found {len(title)}"
        )
    return title


def find_project(connection: Connection, title: str) -> Project | None:
    """The project of a title; None where there is none.

    Raises:
        LabelingError: several have it, or the server cannot be asked.
    """
    found = [number for number, name in _titles(connection, title) if name == title]
    if len(found) > 1:
        raise LabelingError(
            f"--project {title}: expected one project of that title at {connection.url}, found {len(found)}\n"
            "Give the others another title."
        )
    return _read(connection, found[0]) if found else None


def need_project(connection: Connection, title: str) -> Project:
    """The project of a title.

    Raises:
        LabelingError: there is none; the nearest title is named.
    """
    project = find_project(connection, title)
    if project is None:
        hint = nearest(title, [name for _, name in _titles(connection, "")])
        raise LabelingError(
            f"--project {title}: no project at {connection.url} has that title{hint}\n"
            "tagnet label push makes it; Label Studio shows a project to members of its organization alone."
        )
    return project


def make_project(connection: Connection, title: str, batch: TaskBatch, control: Control) -> Project:
    """A new project, with every tag of the tasks to choose from.

    Raises:
        LabelingError: the server does not take it.
    """
    made = connection.post("/api/projects/", {"title": title, "label_config": labeling_config(batch, control)})
    return _read(connection, field(made, "id", int, f"{connection.url}/api/projects/"))


def own_offer(project: Project, control: Control | None = None) -> Offer:
    """The control of a project's config in which our tags are chosen.

    Args:
        project: on the server.
        control: what it has to be; None: either.

    Raises:
        LabelingError: the config has moved on so far that answers would not be ours.
    """
    place = f"the project {project.title!r}"
    try:
        offers = {offer.name: offer for offer in read_offers(project.config)}
    except LabelingError as fault:
        raise LabelingError(f"{place}: {fault}") from fault
    offer = offers.get(CONTROL_NAME)
    expected = f'<{(control or "choices").capitalize()} name="{CONTROL_NAME}" toName="{TEXT_NAME}">'
    if offer is None:
        found = f"controls named {', '.join(offers)}" if offers else "none"
        raise LabelingError(
            f"{place}: its labeling config has moved on: expected {expected}, found {found}\n"
            "Put that control back in the project's settings, or push to a project of another title."
        )
    if offer.to_name != TEXT_NAME or offer.single or (control is not None and offer.control != control):
        kind = f"{offer.control}{', of which only one can be chosen,' if offer.single else ''} of {offer.to_name!r}"
        hint = f"; push with --control {offer.control}" if control is not None and offer.control != control else ""
        raise LabelingError(
            f'{place}: its labeling config has moved on: expected {expected} with choice="multiple" where it has one, '
            f"found {kind}{hint}"
        )
    return offer


def offer_tags(
    connection: Connection, project: Project, batch: TaskBatch, control: Control
) -> tuple[Project, list[str]]:
    """The project, its config offering every tag of the tasks, and the tags that were put in.

    Raises:
        LabelingError: the config has moved on, or the server does not take it.
    """
    labeling_config(batch, control)  # refuses tags that XML cannot hold
    missing = missing_tags(own_offer(project, control), batch.tags)
    if not missing:
        return project, []
    config = with_tags(project.config, CONTROL_NAME, missing, batch.parents)
    connection.patch(project.path, {"label_config": config})
    changed = _read(connection, project.number)
    lost = missing_tags(own_offer(changed, control), batch.tags)
    if lost:
        raise LabelingError(
            f"the project {project.title!r}: {len(lost)} tags were put into its labeling config and are not there, "
            f"such as {lost[0]!r}; does somebody else change it? Run the same command again."
        )
    return changed, missing


def _titles(connection: Connection, part: str) -> Iterable[tuple[int, str]]:
    """Number and title of the projects that have a part in their title."""
    path, page = "/api/projects/", 1
    while True:
        query: dict[str, str | int] = {"include": "id,title", "page_size": _PAGE, "page": page}
        answer = connection.get(path, {**query, "title": part} if part else query)
        place = connection.url + path
        for each in field(answer, "results", list, place):
            yield field(each, "id", int, place), field(each, "title", str, place)
        if answer.get("next") is None:
            return
        page += 1


def _read(connection: Connection, number: int) -> Project:
    path = f"/api/projects/{number}/"
    answer = connection.get(path)
    place = connection.url + path
    version = answer.get("model_version") if isinstance(answer, dict) else None
    return Project(
        field(answer, "id", int, place),
        field(answer, "title", str, place),
        field(answer, "label_config", str, place),
        version if isinstance(version, str) and version else None,
    )
