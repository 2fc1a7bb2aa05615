"""Configs that others have worked on: what is offered, and what is put in."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.label_studio_server.config_xml import missing_tags, parse_config, read_offers, with_tags
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.labeling.tools.label_studio import CONTROLS, Control, labeling_config
from tagnet.records.record import Record

WORKED_ON = """<View>
  <!-- read the guide first -->
  <Header value="A &amp; B"/>
  <Text name="text" value="$text"/>
  <View style="color: red">
    <Choices name="tags" toName="text" choice="multiple" showInline="true">
      <Choice value="a" hotkey="1"/><Choice value="Shown" alias="b"/>
    </Choices>
  </View>
  <Choices name="mood" toName="text"><Choice value="good"/></Choices>
  <TextArea name="why" toName="text"/>
</View>"""


@pytest.fixture
def tree() -> TaskBatch:
    record = Record(1, {"title": "x"}, ("c", "d", "top"), None)
    return make_batch([record], ["title"], parents={"c": "b", "b": "top"})


def test_what_is_offered() -> None:
    tags, mood = read_offers(WORKED_ON)
    assert (tags.name, tags.to_name, tags.control, tags.single) == ("tags", "text", "choices", False)
    assert tags.tags == {"a", "b"}
    assert (mood.name, mood.single) == ("mood", True)
    assert missing_tags(tags, ["a", "c", "Shown"]) == ["c", "Shown"]


@pytest.mark.parametrize("control", CONTROLS)
def test_our_own_config_offers_all(tree: TaskBatch, control: Control) -> None:
    (offer,) = read_offers(labeling_config(tree, control))
    assert offer.control == control
    assert not offer.single
    assert missing_tags(offer, tree.tags) == []


def test_what_others_did_stays() -> None:
    found = with_tags(WORKED_ON, "tags", ['q"<&', "z"], {})
    before, after = ET.fromstring(WORKED_ON), ET.fromstring(found)
    assert "read the guide first" in found
    assert [each.attrib for each in after.iter() if each.tag != "Choice"] == [
        each.attrib for each in before.iter() if each.tag != "Choice"
    ]
    offers = read_offers(found)
    assert offers[0].tags == {"a", "b", 'q"<&', "z"}
    assert offers[1] == read_offers(WORKED_ON)[1]


def test_a_tree_grows_where_it_belongs() -> None:
    xml = '<View><Taxonomy name="tags" toName="text"><Choice value="top"><Choice value="x"/></Choice></Taxonomy></View>'
    (offer,) = read_offers(with_tags(xml, "tags", ["c", "d"], {"c": "b", "b": "top"}))
    assert set(offer.paths) == {("top",), ("top", "x"), ("top", "b"), ("top", "b", "c"), ("d",)}


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<View>",
        "no xml",
        '<!DOCTYPE v [<!ENTITY a "b">]><View>&a;</View>',
        "<View>" * 300 + "</View>" * 300,
        "<View>\ud800</View>",
    ],
)
def test_what_is_no_config(xml: str) -> None:
    with pytest.raises(LabelingError, match="the labeling config: expected"):
        parse_config(xml)
