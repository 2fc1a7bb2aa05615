"""The tools by name."""

from __future__ import annotations

from tagnet.errors import ConfigError, nearest
from tagnet.labeling.tools.argilla import Argilla
from tagnet.labeling.tools.brat import Brat
from tagnet.labeling.tools.codec import Codec
from tagnet.labeling.tools.doccano import Doccano
from tagnet.labeling.tools.label_studio import LabelStudio
from tagnet.labeling.tools.prodigy import Prodigy
from tagnet.labeling.tools.scale import Scale
from tagnet.labeling.tools.spreadsheet import Spreadsheet
from tagnet.labeling.tools.superintendent import Superintendent
from tagnet.labeling.tools.tagnet_page import TagnetPage
from tagnet.labeling.tools.universal_data_tool import UniversalDataTool

_CODECS: tuple[Codec, ...] = (
    LabelStudio(),
    Doccano(),
    Prodigy(),
    Argilla(),
    UniversalDataTool(),
    Scale(),
    Brat(),
    Superintendent(),
    Spreadsheet(),
    TagnetPage(),
)
CODECS = {codec.name: codec for codec in _CODECS}
"""Name → codec; all but `tagnet` go both ways."""


def find_codec(name: str) -> Codec:
    """The codec of a tool.

    Raises:
        ConfigError: there is no such tool.
    """
    if name not in CODECS:
        raise ConfigError(f"--tool: expected {', '.join(CODECS)}; found {name!r}{nearest(name, CODECS)}")
    return CODECS[name]
