"""A project's labeling config as it stands on the server: what can be chosen in it, and how more is added to it.

Teams change their configs: they add hints, comments, colours, tags. Those stay; only tags that are missing are put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from tagnet.errors import LabelingError
from tagnet.labeling.tools.label_studio import CONTROLS, Control, path_of

_DEEPEST = 200

_ELEMENTS: Mapping[str, Control] = {name.capitalize(): name for name in CONTROLS}


@dataclass(frozen=True)
class Offer:
    """A control in which tags are chosen."""

    name: str
    """What results call `from_name`."""
    to_name: str
    control: Control
    single: bool
    """Only one tag can be chosen."""
    paths: tuple[tuple[str, ...], ...]
    """Each choice with those above it; `choices` have none above."""

    @property
    def tags(self) -> frozenset[str]:
        """Every tag that can be chosen."""
        return frozenset(path[-1] for path in self.paths)


def parse_config(xml: str) -> ElementTree.Element:
    """A labeling config, comments and all.

    Raises:
        LabelingError: it is no XML, is nested too deeply, or declares entities, which could grow without bounds.
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise LabelingError("the labeling config: expected plain XML, found a document type in it")
    try:
        root = ElementTree.fromstring(xml, ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True)))
    except (ElementTree.ParseError, ValueError) as fault:
        raise LabelingError(f"the labeling config: expected XML, found a fault in it ({fault})") from fault
    if _depth(root) > _DEEPEST:
        raise LabelingError(f"the labeling config: expected at most {_DEEPEST} elements in one another, found more")
    return root


def _depth(root: ElementTree.Element) -> int:
    level, depth = [root], 0
    while level and depth <= _DEEPEST:
        level, depth = [below for each in level for below in each], depth + 1
    return depth


def read_offers(xml: str) -> list[Offer]:
    """The controls in which tags are chosen, in their order.

    Raises:
        LabelingError: it is no XML.

    >>> read_offers('<View><Choices name="tags" toName="text" choice="multiple"><Choice value="a"/></Choices></View>')
    [Offer(name='tags', to_name='text', control='choices', single=False, paths=(('a',),))]
    """
    return [_offer(each) for each in parse_config(xml).iter() if each.tag in _ELEMENTS]


def missing_tags(offer: Offer, tags: Iterable[str]) -> list[str]:
    """The tags that cannot be chosen."""
    return [tag for tag in tags if tag not in offer.tags]


def with_tags(xml: str, name: str, tags: Iterable[str], parents: Mapping[str, str]) -> str:
    """The config with more tags in the control of that name; all else stays.

    Args:
        xml: the config.
        name: of a control that is there.
        tags: to put in, in a tree below the first of their parents, which are put in where they are missing.
        parents: tag → the first of its parents.

    >>> xml = '<View><Choices name="tags" toName="text"><Choice value="a"/></Choices></View>'
    >>> with_tags(xml, "tags", ["b"], {})
    '<View><Choices name="tags" toName="text"><Choice value="a" /><Choice value="b" /></Choices></View>'
    """
    root = parse_config(xml)
    control = next(each for each in root.iter() if each.tag in _ELEMENTS and each.get("name") == name)
    is_tree = _ELEMENTS[control.tag] == "taxonomy"
    for tag in tags:
        above = control
        for step in path_of(tag, parents) if is_tree else [tag]:
            found = next((each for each in above if each.tag == "Choice" and _value(each) == step), None)
            above = ElementTree.SubElement(above, "Choice", {"value": step}) if found is None else found
    return ElementTree.tostring(root, encoding="unicode")


def _offer(element: ElementTree.Element) -> Offer:
    control = _ELEMENTS[element.tag]
    # What is not said is single for Choices: https://labelstud.io/tags/choices
    single = control == "choices" and element.get("choice", "single") != "multiple"
    return Offer(element.get("name", ""), element.get("toName", ""), control, single, tuple(_paths(element, ())))


def _paths(element: ElementTree.Element, above: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = []
    for each in element:
        if each.tag == "Choice":
            path = (*above, _value(each))
            found += [path, *_paths(each, path)]
        elif isinstance(each.tag, str):
            found += _paths(each, above)
    return found


def _value(choice: ElementTree.Element) -> str:
    """What results hold of a choice: its alias, where it has one."""
    return choice.get("alias") or choice.get("value") or ""
