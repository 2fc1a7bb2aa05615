"""The settings: a strict build, cross-checks, and the same keys as in conf/."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tagnet.config import DataConfig, FocalConfig, RunConfig, TrainConfig, WeightedBCEConfig
from tagnet.errors import ConfigError
from tagnet.strict_build import build, leaf_keys, to_plain

CONF = Path(__file__).resolve().parents[2] / "conf"
ELSEWHERE = {"experiment", "launcher", "space", "sweeper"}
"""Groups that are no part of a run's settings; tests/unit/cli composes them."""
OPTIONS = sorted(
    path.relative_to(CONF)
    for path in CONF.glob("*/*.yaml")
    if path.stem != "base" and path.parent.name not in ELSEWHERE
)


def read(path: Path) -> dict[str, Any]:
    """A YAML of conf/ with the files of the same folder that it starts from."""
    own: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    merged: dict[str, Any] = {}
    for name in own.pop("defaults", []):
        merged |= read(path.with_name(f"{name}.yaml"))
    return merged | own


def defaults() -> dict[str, Any]:
    """The settings that `tagnet train` runs with, put together without Hydra."""
    top: dict[str, Any] = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    groups = {key: value for entry in top.pop("defaults") if isinstance(entry, dict) for key, value in entry.items()}
    del groups["experiment"]
    return {group: read(CONF / group / f"{option}.yaml") for group, option in groups.items()} | top


def changed(key: str, value: Any) -> dict[str, Any]:
    """The defaults with one value changed."""
    plain = defaults()
    *above, last = key.split(".")
    place = plain
    for each in above:
        place = place[each]
    place[last] = value
    return plain


# ---------------------------------------------------------------------------------------------- conf/ against classes


def class_of(group: str, values: Mapping[str, Any]) -> type[Any]:
    """The data class of a group, or that of its members which bears the option's name."""
    hint = get_type_hints(TrainConfig)[group]
    members: tuple[type[Any], ...] = get_args(hint) or (hint,)
    if len(members) > 1:
        members = tuple(each for each in members if get_args(get_type_hints(each)["name"]) == (values["name"],))
    (found,) = members
    return found


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_an_option_has_the_keys_of_its_class(option: Path) -> None:
    values = read(CONF / option)
    cls = class_of(option.parent.name, values)
    assert set(values) == {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_an_option_builds(option: Path) -> None:
    values = read(CONF / option)
    cls = class_of(option.parent.name, values)
    built = build(cls, values, option.parent.name)
    assert build(cls, to_plain(built), option.parent.name) == built


def test_every_member_of_a_family_has_an_option() -> None:
    for group, hint in get_type_hints(TrainConfig).items():
        names = {get_args(get_type_hints(each)["name"])[0] for each in get_args(hint) if dataclasses.is_dataclass(each)}
        if names:
            assert names == {path.stem for path in OPTIONS if path.parent.name == group}


def test_train_yaml_names_every_key() -> None:
    assert set(defaults()) == {field.name for field in dataclasses.fields(TrainConfig)}


def test_no_value_lives_in_a_class() -> None:
    classes: list[type[Any]] = [TrainConfig, *(class_of(path.parent.name, read(CONF / path)) for path in OPTIONS)]
    for cls in classes:
        for field in dataclasses.fields(cls):
            assert field.default is dataclasses.MISSING, f"{cls.__name__}.{field.name}"
            assert field.default_factory is dataclasses.MISSING, f"{cls.__name__}.{field.name}"


def test_the_defaults_build_and_come_back() -> None:
    config = build(TrainConfig, defaults())
    plain = to_plain(config)
    assert build(TrainConfig, json.loads(json.dumps(plain))) == config
    assert plain == defaults()


# -------------------------------------------------------------------------------------------------------------- build


@dataclass(frozen=True)
class Cat:
    name: Literal["cat"]
    lives: int


@dataclass(frozen=True)
class Dog:
    name: Literal["dog"]
    tricks: tuple[str, ...]


@dataclass(frozen=True)
class Home:
    pet: Cat | Dog
    size: tuple[int, int]
    names: Mapping[str, int]
    rent: float | None
    open: bool


HOME = {"pet": {"name": "cat", "lives": 9}, "size": [3, 4], "names": {"a": 1}, "rent": None, "open": True}


def test_a_union_is_chosen_by_name() -> None:
    assert build(Home, HOME).pet == Cat("cat", 9)
    assert build(Home, {**HOME, "pet": {"name": "dog", "tricks": []}}).pet == Dog("dog", ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pets": 1}, r"^pets: there is no such key; did you mean pet\?$"),
        ({"pet": {"name": "cta", "lives": 1}}, r"^pet: expected cat, dog; found 'cta'; did you mean cat\?$"),
        ({"pet": {"name": ["cat"], "lives": 1}}, "^pet: expected cat, dog; found "),
        ({"pet": {"lives": 1}}, "^pet: expected cat, dog; found None$"),
        ({"pet": None}, "^pet: expected cat, dog; found None$"),
        ({"pet": 3}, "^pet: expected cat, dog; found 3$"),
        ({"pet": {"name": "cat"}}, "^pet.lives: this key is missing$"),
        ({"pet": {"name": "dog", "tricks": [], "lives": 1}}, "^pet.lives: there is no such key with pet=dog"),
        ({"pet": {"name": "cat", "lives": True}}, "^pet.lives: expected a whole number, found True$"),
        ({"pet": {"name": "cat", "lives": 9.0}}, "^pet.lives: expected a whole number, found 9.0$"),
        ({"pet": {"name": "cat", "lives": "9"}}, "^pet.lives: expected a whole number, found '9'$"),
        ({"pet": {"name": "dog", "tricks": "sit"}}, r"^pet.tricks: expected a list such as \[a,b\], found 'sit'$"),
        ({"pet": {"name": "dog", "tricks": ["sit", None]}}, r"^pet.tricks\[1\]: expected text, found None$"),
        ({"size": [1]}, r"^size: expected 2 values, found \[1\]$"),
        ({"size": [1, "b"]}, r"^size\[1\]: expected a whole number, found 'b'$"),
        ({"names": []}, "^names: expected a mapping such as {name: value}"),
        ({"names": {"a": "one"}}, "^names.a: expected a whole number, found 'one'$"),
        ({"rent": "much"}, "^rent: expected a number, found 'much'$"),
        ({"rent": True}, "^rent: expected a number, found True$"),
        ({"rent": float("nan")}, "^rent: expected a finite number, found nan$"),
        ({"rent": 10**400}, "^rent: expected a finite number"),
        ({"open": 1}, "^open: expected true or false, found 1$"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(Home, {**HOME, **change})
    assert len(str(caught.value).splitlines()) <= 3


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^home\.open: this key is missing$"):
        build(Home, {key: value for key, value in HOME.items() if key != "open"}, "home")


@pytest.mark.parametrize("values", [None, 3, "a", [HOME]])
def test_something_else_than_a_mapping_is_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match=r"^the configuration: expected keys and values"):
        build(Home, values)


def test_numbers_become_what_they_are_asked_to_be() -> None:
    home = build(Home, {**HOME, "rent": 3})
    assert home.rent == 3.0
    assert isinstance(home.rent, float)
    dog = build(Home, {**HOME, "pet": {"name": "dog", "tricks": [2024]}}).pet
    assert dog == Dog("dog", ("2024",))


@given(
    st.builds(
        Home,
        pet=st.builds(Cat, st.just("cat"), st.integers()) | st.builds(Dog, st.just("dog"), st.tuples(st.text())),
        size=st.tuples(st.integers(), st.integers()),
        names=st.dictionaries(st.text(), st.integers()),
        rent=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        open=st.booleans(),
    )
)
def test_plain_values_build_the_same_again(home: Home) -> None:
    assert build(Home, json.loads(json.dumps(to_plain(home)))) == home


def test_leaf_keys_unite_the_family_and_mark_open_mappings() -> None:
    assert leaf_keys(Home) == {
        "pet.name": False,
        "pet.lives": False,
        "pet.tricks": False,
        "size": False,
        "names": True,
        "rent": False,
        "open": False,
    }
    keys = leaf_keys(TrainConfig)
    assert {key for key, is_open in keys.items() if is_open} == {"data.columns", "data.feature_tokens"}


# ------------------------------------------------------------------------------------------------------- cross-checks


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.features", []),
        ("data.features", ["title", "title"]),
        ("data.features", ["a{b"]),
        ("data.features", [""]),
        ("data.feature_tokens", {"titel": 3}),
        ("data.feature_tokens", {"title": 0}),
        ("data.max_tokens", 7),
        ("data.window_overlap", -1),
        ("data.window_overlap", 256),
        ("labels.min_count", 0),
        ("split.val_fraction", 0),
        ("split.test_fraction", 0.9),
        ("split.duplicate_similarity", 0),
        ("split.key", "published"),
        ("model.dropout", 1),
        ("model.encoder_dropout", -0.1),
        ("optim.lr", 0),
        ("optim.lr", -1e-4),
        ("optim.head_lr", 0),
        ("optim.layer_decay", 0),
        ("optim.layer_decay", 1.1),
        ("optim.weight_decay", -1),
        ("optim.warmup", 1),
        ("optim.clip_norm", 0),
        ("calibrator.offset_ridge", 0),
        ("thresholds.shrinkage", -1),
        ("trainer.batch_size", 0),
        ("trainer.eval_batch_size", 0),
        ("trainer.accumulate", 0),
        ("trainer.max_epochs", 0),
        ("trainer.steps", 0),
        ("trainer.epoch_range", [3, 2]),
        ("trainer.epoch_range", [0, 2]),
        ("trainer.patience", 0),
        ("evaluation.bootstrap_samples", 10),
        ("evaluation.confidence", 1),
        ("evaluation.at_k", [0]),
        ("evaluation.baselines", ["priors"]),
        ("evaluation.baselines", ["prior", "prior"]),
        ("run.name", ""),
        ("run.name", "a/b"),
        ("run.name", ".."),
        ("run.dir", ""),
        ("run.seed", -1),
        ("encoder", ""),
    ],
)
def test_a_value_out_of_range_is_named_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        build(TrainConfig, changed(key, value))
    assert key in str(caught.value)


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match=r"labels\.include.*\['nlp'\]"):
        build(TrainConfig, changed("labels", {**defaults()["labels"], "include": ["nlp"], "exclude": ["nlp"]}))
    with pytest.raises(ConfigError, match=r"split\.val_fraction \+ split\.test_fraction: expected less than 1"):
        build(TrainConfig, changed("split", {**defaults()["split"], "val_fraction": 0.5, "test_fraction": 0.6}))
    with pytest.raises(ConfigError, match=r"split\.fold: expected 0 to 4, found 5"):
        build(TrainConfig, changed("split", {**read(CONF / "split/kfold.yaml"), "fold": 5}))
    for pooling in ("cls", "max", "attention"):
        with pytest.raises(ConfigError, match=r"model\.pooling: expected mean with model\.head=label_attention"):
            build(TrainConfig, changed("model", {**defaults()["model"], "head": "label_attention", "pooling": pooling}))
    with pytest.raises(ConfigError, match=r"trainer\.precision"):
        build(TrainConfig, changed("trainer", {**read(CONF / "trainer/cpu.yaml"), "precision": "16-mixed"}))
    with pytest.raises(
        ConfigError, match=r"trainer\.precision: expected .* with trainer\.strategy=fsdp, found '16-mixed'"
    ):
        build(TrainConfig, changed("trainer", {**defaults()["trainer"], "strategy": "fsdp", "precision": "16-mixed"}))
    with pytest.raises(ConfigError, match=r"loss\.beta: expected null with loss\.weighting=inverse"):
        WeightedBCEConfig("weighted_bce", "inverse", 0.9, 50.0)


def test_settings_that_are_made_by_hand_are_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"loss\.gamma: expected at least 0, found nan"):
        FocalConfig("focal", float("nan"), None)
    with pytest.raises(ConfigError, match=r"run\.seed"):
        RunConfig("train", None, 2**31, True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig("train", None, 0, True).seed = 1  # type: ignore[misc]


def test_a_feature_budget_names_the_nearest_feature() -> None:
    with pytest.raises(ConfigError, match=r"'titel' is not one of .*; did you mean title\?"):
        DataConfig("x.json", None, None, {}, "error", ("title",), {"titel": 3}, None, None)
