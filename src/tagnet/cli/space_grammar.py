"""Search spaces as people write them: Hydra's grammar for values, and `when KEY=VALUE` for conditions."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, get_args, get_type_hints

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from tagnet.cli.compose import check_overrides, compose_plain, config_groups, parse
from tagnet.config import TrainConfig
from tagnet.errors import ConfigError
from tagnet.strict_build import build
from tagnet.workflows.space import Choice, Condition, Dimension, Interval

_WHEN = "when "


def read_space(written: Mapping[Any, Any], swept: Sequence[Override], fixed: Sequence[str]) -> list[Dimension]:
    """The space of a sweep: what its file says, what the command line adds, without what the command line fixes.

    Args:
        written: key → values as text, or `when KEY=VALUE` → such a mapping.
        swept: settings of the command line with several values; they replace those of the file.
        fixed: settings of the command line with one value; a dimension of that key is dropped.

    Raises:
        ConfigError: a key's values cannot be read, or are no choice and no interval.
    """
    fixed_values = {o.key_or_group: o.get_value_element_as_str() for o in map(parse, fixed)}
    found = [*_dimensions(written, None), *(Dimension(o.key_or_group, values_of(o)) for o in swept)]
    of_command_line = {o.key_or_group for o in swept}
    number = len(found) - len(swept)
    space = []
    for position, dimension in enumerate(found):
        if dimension.key in fixed_values or (dimension.key in of_command_line and position < number):
            continue
        when = dimension.when
        if when is not None and when.key in fixed_values:
            if fixed_values[when.key] != when.value:
                continue
            dimension = replace(dimension, when=None)
        space.append(_whole_numbers(dimension, fixed))
    return space


def _dimensions(written: Mapping[Any, Any], when: Condition | None) -> list[Dimension]:
    found = []
    for key, value in written.items():
        if isinstance(value, Mapping) and str(key).startswith(_WHEN):
            other, _, option = str(key).removeprefix(_WHEN).partition("=")
            found += _dimensions(value, Condition(other, option))
        elif isinstance(value, str):
            found.append(Dimension(str(key), values_of(parse(f"{key}={value}")), when))
        else:
            raise ConfigError(f"space, {key}: expected choice(A,B) or interval(A,B), found {value!r}")
    return found


def values_of(override: Override) -> Choice | Interval:
    """The values of a setting that has several.

    Raises:
        ConfigError: it has one value only, or is a pattern.

    >>> values_of(parse("optim.lr=tag(log,interval(1e-5,1e-3))"))
    Interval(low=1e-05, high=0.001, log=True, integer=False)
    >>> values_of(parse("loss=bce,focal"))
    Choice(options=('bce', 'focal'))
    """
    value = override.value()
    if isinstance(value, ChoiceSweep | RangeSweep):
        return Choice(tuple(str(text) for text in override.sweep_string_iterator()))
    if isinstance(value, IntervalSweep):
        low, high, log = float(value.start or 0), float(value.end or 0), "log" in value.tags
        if not low < high or (log and low <= 0):
            least = ", both above 0" if log else ""
            raise ConfigError(f"{override.input_line}: expected interval(LOW,HIGH) with LOW < HIGH{least}")
        return Interval(low, high, log)
    raise ConfigError(f"{override.input_line}: expected choice(A,B), range(A,B) or interval(A,B)")


def check_grid(fixed: Sequence[str], space: Sequence[Dimension]) -> None:
    """Build the settings of every combination, so that no trial fails for a typo.

    Raises:
        ConfigError: a key is unknown, a value does not fit it, or a combination contradicts itself.
    """
    options = [values.options for values in (dimension.values for dimension in space) if isinstance(values, Choice)]
    for texts in product(*options):
        _build(fixed, {dimension.key: text for dimension, text in zip(space, texts, strict=True)})


def check_space(fixed: Sequence[str], space: Sequence[Dimension]) -> None:
    """Build the settings with every option and both ends of every dimension, so that no trial fails for a typo.

    What is searched without a condition must fit every option of a group that is searched too.

    Raises:
        ConfigError: a key is unknown, or a value does not fit it.
    """
    groups = config_groups()
    searched = {each.key: each.values.options for each in space if isinstance(each.values, Choice)}
    for dimension in space:
        values, when, head = dimension.values, dimension.when, dimension.key.partition(".")[0]
        texts = values.options if isinstance(values, Choice) else (f"{values.low:g}", f"{values.high:g}")
        others: list[dict[str, str]] = [{} if when is None else {when.key: when.value}]
        if when is None and head != dimension.key and head in groups and head in searched:
            others = [{head: option} for option in searched[head]]
        for other in others:
            for text in texts:
                _build(fixed, other | {dimension.key: text})


def _build(fixed: Sequence[str], chosen: Mapping[str, str]) -> None:
    """Build the settings with these of a trial's own.

    Raises:
        ConfigError: they do not fit.
    """
    groups = config_groups()
    check_overrides([f"{key}={text}" for key, text in chosen.items()])
    # Composing anew for every value would take Hydra a minute for a large space.
    plain = copy.deepcopy(
        _composed(tuple(fixed), tuple(f"{key}={text}" for key, text in chosen.items() if key in groups))
    )
    for key, text in chosen.items():
        if key not in groups:
            parent, _, name = key.rpartition(".")
            _at(plain, parent)[name] = parse(f"{key}={text}").value()
    build(TrainConfig, plain)


def _whole_numbers(dimension: Dimension, fixed: Sequence[str]) -> Dimension:
    """An interval of whole numbers where the setting takes no others."""
    values = dimension.values
    if isinstance(values, Choice):
        return dimension
    check_overrides([f"{dimension.key}={values.low:g}"])
    settings: object = build(TrainConfig, _composed(tuple(fixed), _condition(dimension)))
    *parents, name = dimension.key.split(".")
    for parent in parents:
        settings = getattr(settings, parent, None)
    hint = get_type_hints(type(settings)).get(name)
    kinds = get_args(hint) or (hint,)
    return replace(dimension, values=replace(values, integer=int in kinds and float not in kinds))


def _condition(dimension: Dimension) -> tuple[str, ...]:
    return () if dimension.when is None else (str(dimension.when),)


@cache
def _composed(fixed: tuple[str, ...], when: tuple[str, ...]) -> dict[str, Any]:
    return compose_plain([*fixed, *when])


def _at(plain: dict[str, Any], parent: str) -> dict[str, Any]:
    """The mapping that a key lies in."""
    for word in parent.split(".") if parent else []:
        plain = plain.get(word, {})
    return plain
