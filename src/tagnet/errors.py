"""Every error that tagnet raises on purpose.

TagnetError
├── ConfigError            a setting is unknown, misspelt, of the wrong type, or contradicts another
├── DataError              something that was read from disk cannot be used
│   ├── RecordError        a row of the records
│   ├── TaxonomyError      the tags, their aliases and parents
│   ├── LabelSpaceError    no tag, or no record, is left to learn from
│   ├── SplitError         ids of a split are unknown, overlap or are missing
│   └── LabelingError      what came back from a labelling tool, an answer, or a version that was merged from answers
├── EncoderError           an encoder cannot be found, or is not what it should be
├── BundleError            a bundle, or an export of one, is incomplete, damaged or of another format
├── ExportError            a bundle cannot be exported, or its export is not as good as the bundle
├── RunDirectoryError      a run's directory is taken, or cannot be written
├── SweepError             a sweep's folder is another one's, or is damaged
├── MissingExtraError      a command needs packages that are not installed
├── HardwareError          the machine lacks what the configuration asks for
├── ProcessError           one of several processes has ended before the others
├── DivergenceError        the model's logits are no longer finite
└── CollapseError          the model predicts nothing, everything, or the base rate

Each message stands alone: it names the file or key, what was expected, what was found, and how to mend it,
in one to three lines. The command line prints it without a traceback and exits with `TagnetError.exit_code`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TagnetError(Exception):
    """The root: catch it to catch everything that tagnet raises on purpose."""

    exit_code = 2


class ConfigError(TagnetError):
    """A setting is unknown, misspelt, of the wrong type, or contradicts another."""


class DataError(TagnetError):
    """Something that was read from disk cannot be used."""


class RecordError(DataError):
    """A row of the records is not as it should be."""


class TaxonomyError(DataError):
    """The taxonomy contradicts itself or cannot be read."""


class LabelSpaceError(DataError):
    """No tag, or no record, is left to learn from."""


class SplitError(DataError):
    """Ids of a split are unknown, overlap or are missing."""


class LabelingError(DataError):
    """What came back from a labelling tool, an answer, or a version merged from answers, cannot be used."""


class EncoderError(TagnetError):
    """An encoder cannot be found, or is not what it should be."""


class BundleError(TagnetError):
    """A bundle, or an export of one, is incomplete, damaged or of another format."""


class ExportError(TagnetError):
    """A bundle cannot be exported, or its export is not as good as the bundle."""


class RunDirectoryError(TagnetError):
    """A run's directory is taken, or cannot be written."""


class SweepError(TagnetError):
    """A sweep's folder belongs to another sweep, or is damaged."""


class MissingExtraError(TagnetError):
    """A command needs packages that are not installed."""


class HardwareError(TagnetError):
    """The machine lacks what the configuration asks for."""


class ProcessError(TagnetError):
    """One of several processes has ended before the others."""


class DivergenceError(TagnetError):
    """The model's logits are no longer finite."""


class CollapseError(TagnetError):
    """The model predicts nothing, everything, or the base rate."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The tail of an error message that names the known word nearest to `word`, or nothing.

    >>> nearest("optim.lrr", ["optim.lr", "optim.weight_decay"])
    '; did you mean optim.lr?'
    >>> nearest("banana", ["optim.lr"])
    ''
    """
    match = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]}?" if match else ""
