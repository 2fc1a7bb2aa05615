"""The strict build: plain nested values to frozen data classes and back, refusing whatever does not fit."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tagnet.errors import ConfigError, nearest

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], prefix: str = "") -> T:
    """Turn a nested mapping of plain values into the data class `cls`, refusing whatever does not fit.

    Where a field is one of several data classes, the mapping's `name` chooses among them.

    Raises:
        ConfigError: an unknown or missing key, a wrong type, or settings that contradict each other.

    >>> from tagnet.config import FocalConfig
    >>> build(FocalConfig, {"name": "focal", "gamma": 2, "alpha": None}, "loss")
    FocalConfig(name='focal', gamma=2.0, alpha=None)
    >>> build(FocalConfig, {"name": "focal", "gama": 2, "alpha": None}, "loss")
    Traceback (most recent call last):
    tagnet.errors.ConfigError: loss.gama: there is no such key with loss=focal; did you mean loss.gamma?
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{prefix or 'the configuration'}: expected keys and values, found {values!r}")
    hints = get_type_hints(cls)
    fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            hint = nearest(_join(prefix, str(key)), [_join(prefix, f) for f in fields])
            chosen = f" with {prefix}={values['name']}" if get_origin(hints.get("name")) is Literal else ""
            raise ConfigError(f"{_join(prefix, str(key))}: there is no such key{chosen}{hint}")
    for name in fields:
        if name not in values:
            raise ConfigError(f"{_join(prefix, name)}: this key is missing")
    return cls(**{name: _convert(hints[name], values[name], _join(prefix, name)) for name in fields})


def _join(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def _convert(hint: Any, value: Any, key: str) -> Any:
    if hint is Any:
        return value
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, key)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, key)
    if origin is Literal:
        choices = get_args(hint)
        if value not in choices:
            shown = ", ".join(map(str, choices))
            raise ConfigError(f"{key}: expected {shown}; found {value!r}{nearest(str(value), map(str, choices))}")
        return value
    if origin is tuple:
        return _convert_tuple(get_args(hint), value, key)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}: expected a mapping such as {{name: value}}, found {value!r}")
        key_hint, value_hint = get_args(hint)
        return {_convert(key_hint, k, key): _convert(value_hint, v, _join(key, str(k))) for k, v in value.items()}
    return _convert_scalar(hint, value, key)


def _convert_union(members: tuple[Any, ...], value: Any, key: str) -> Any:
    if value is None and type(None) in members:
        return None
    members = tuple(m for m in members if m is not type(None))
    if len(members) == 1:
        return _convert(members[0], value, key)
    by_name = {get_args(get_type_hints(m)["name"])[0]: m for m in members}
    name = value.get("name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or name not in by_name:
        raise ConfigError(f"{key}: expected {', '.join(by_name)}; found {name!r}{nearest(str(name), by_name)}")
    return build(by_name[name], value, key)


def _convert_tuple(hints: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(f"{key}: expected a list such as [a,b], found {value!r}")
    if hints[-1] is Ellipsis:
        return tuple(_convert(hints[0], v, f"{key}[{i}]") for i, v in enumerate(value))
    if len(value) != len(hints):
        raise ConfigError(f"{key}: expected {len(hints)} values, found {list(value)!r}")
    return tuple(_convert(h, v, f"{key}[{i}]") for i, (h, v) in enumerate(zip(hints, value, strict=True)))


def _convert_scalar(hint: Any, value: Any, key: str) -> Any:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ConfigError(f"{key}: expected a finite number, found {value!r}")
        return number
    if hint is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # an id, a tag or a path that YAML read as a number
    if hint in names and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{key}: expected {names[hint]}, found {value!r}")


def to_plain(config: Any) -> Any:
    """The inverse of `build`: nested dictionaries and lists of plain values, ready for JSON or YAML.

    >>> from tagnet.config import FocalConfig
    >>> to_plain(FocalConfig("focal", 2.0, None))
    {'name': 'focal', 'gamma': 2.0, 'alpha': None}
    """
    if dataclasses.is_dataclass(config):
        return {f.name: to_plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {k: to_plain(v) for k, v in config.items()}
    if isinstance(config, tuple | list):
        return [to_plain(v) for v in config]
    return config


def leaf_keys(cls: type, prefix: str = "") -> dict[str, bool]:
    """Every dotted key that the data class takes, and whether keys of the user's own may follow it.

    >>> from tagnet.config import FocalConfig
    >>> leaf_keys(FocalConfig, "loss")
    {'loss.name': False, 'loss.gamma': False, 'loss.alpha': False}
    """
    keys: dict[str, bool] = {}
    for name, hint in get_type_hints(cls).items():
        key = _join(prefix, name)
        members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        nested = [m for m in members if dataclasses.is_dataclass(m)]
        for member in nested:
            keys.update(leaf_keys(typing.cast(type, member), key))
        if not nested:
            origin = get_origin(hint)
            keys[key] = isinstance(origin, type) and issubclass(origin, Mapping)
    return keys
