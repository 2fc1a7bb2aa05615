from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tagnet.evaluation import svg


@svg.styled
def draw(name: str, text: str) -> str:
    figure = svg.new_figure(100)
    axes = figure.subplots()
    svg.plain_axes(axes)
    axes.plot([0.123456, 1], [1, 0], color=svg.ACCENT, label=text)
    axes.legend()
    return svg.to_svg(figure, name, 'a "quoted" <description>')


@pytest.mark.parametrize(
    "text",
    ["plain", "$x_1$", "日本語 😀", "<script>alert(1)</script>", "arxiv:2005.10872 ", 'id="x" url(#y)', "#010a04"],
)
def test_text_arrives_as_it_is_and_the_svg_is_well_formed(text: str) -> None:
    root = ET.fromstring(draw("first", text).replace("xlink:href", "href"))
    written = [element.text for element in root.iter() if element.tag == "text"]
    assert text in written
    assert not list(root.iter("script"))


def test_the_page_decides_colours_and_fonts() -> None:
    drawn = draw("first", "plain")
    assert "var(--accent)" in drawn
    assert "#010a" not in drawn
    assert "font-family" not in drawn
    assert "http" not in drawn


def test_ids_of_two_figures_are_apart_and_drawing_repeats() -> None:
    def ids(name: str) -> set[str]:
        root = ET.fromstring(draw(name, "plain").replace("xlink:href", "href"))
        return {e.attrib["id"] for e in root.iter() if "id" in e.attrib}

    assert ids("first")
    assert not ids("first") & ids("second")
    assert draw("first", "plain") == draw("first", "plain")


@pytest.mark.parametrize(
    ("tag", "shown"), [("a\nb\tc", "a b c"), ("x" * 30, "x" * 25 + "…"), ("\x00\ud800", ""), (" a ", "a")]
)
def test_labels_are_one_short_line(tag: str, shown: str) -> None:
    assert svg.label(tag) == shown
