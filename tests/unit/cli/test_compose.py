"""Hydra's grammar to checked settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from tagnet.cli.compose import check_overrides, compose_plain, config_groups, to_yaml, train_config
from tagnet.config import TrainConfig
from tagnet.errors import ConfigError
from tagnet.strict_build import build, leaf_keys, to_plain

OPTIONS = [(group, option) for group, options in config_groups().items() for option in options]


def test_the_defaults() -> None:
    config = train_config("run.dir=runs/mine")
    assert (config.encoder, config.data.records, config.loss.name) == ("all-MiniLM-L6-v2", "embedded", "bce")
    assert config.run.dir == "runs/mine"


def test_a_run_without_a_directory_gets_one_by_name_and_time() -> None:
    folder = train_config("run.name=mine").run.dir
    assert folder is not None
    assert Path(folder).parent == Path("runs/mine")


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_of_every_group_composes_and_builds(group: str, option: str) -> None:
    config = train_config(f"{group}={option}", "run.dir=x")
    name = to_plain(config).get(group, {}).get("name", option)
    assert name == option or group == "run"
    assert build(TrainConfig, to_plain(config)) == config


def test_the_groups_are_those_of_the_settings() -> None:
    fields = {key.partition(".")[0] for key in leaf_keys(TrainConfig)}
    assert set(config_groups()) - {"experiment"} == fields - {"encoder"}
    assert "base" not in config_groups()["split"]


def test_composed_settings_round_trip_through_yaml() -> None:
    plain = compose_plain(["loss=focal", "run.name='größe'"])
    assert yaml.safe_load(to_yaml(plain)) == plain
    assert "größe" in to_yaml(plain)


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=1", r"^optim\.lrr: there is no such key; did you mean optim\.lr\?$"),
        ("los=focal", r"^los: there is no such key; did you mean loss\?$"),
        ("encodr=tiny", r"^encodr: there is no such key; did you mean encoder\?$"),
        ("data.columns.a.b=c", r"^data\.columns\.a\.b: there is no such key; did you mean data\.columns\?$"),
        ("loss=fokal", r"^loss=fokal: expected one of asl, .*; did you mean focal\?$"),
        ("loss.name=focal", r"^\+*loss\.name=focal: expected a choice of the whole group: loss=focal$"),
        ("optim.lr=-1", r"^optim\.lr: expected a positive number, found -1\.0$"),
        ("hydra.run.dir=x", r"^hydra\.run\.dir: there is no such key; did you mean run\.dir\?$"),
    ],
)
def test_a_wrong_key_or_value_names_the_nearest_with_every_sign(sign: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_config(sign + override)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["~loss"], "cannot be deleted"),
        (["~optim.lr"], "cannot be deleted"),
        (["run.seed=1,2"], "one value for a single run"),
        (["run.seed=range(1,3)"], "one value for a single run"),
        (["loss=null"], "expected one of"),
        (["loss={name: bce}"], "expected one of"),
        (["loss@x=bce"], "loss@x"),
        (["experiment=nope"], "expected one of"),
        (["loss"], "expected KEY=VALUE"),
        (["=3"], "expected KEY=VALUE"),
        ([""], "expected KEY=VALUE"),
        (["labels.exclude=[c#]"], r"put texts into quotes"),
        (["labels.exclude=nlp"], r"labels\.exclude: expected a list"),
        (["data.records=???"], r"^data\.records: Missing mandatory value"),
        (["run.name=${nope}"], r"^run\.name: Interpolation key 'nope' not found"),
        (["labels.min_count=${labels.min_count}"], "(?i)recursive interpolation"),
        (["split=kfold", "split.test_fraction=0.2"], r"split\.test_fraction: there is no such key with split=kfold"),
        (["data.feature_tokens.titel=3"], r"'titel' is not one of .* did you mean title\?"),
        (["optim.lr=nan"], "finite"),
        (["optim.lr=fast"], r"optim\.lr: expected a number, found 'fast'"),
    ],
)
def test_what_cannot_be_composed_is_one_short_error(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        train_config(*overrides)
    assert 1 <= len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_known_key_may_bear_any_sign(sign: str) -> None:
    config = train_config(f"{sign}optim.lr=2e-5", f"{sign}loss=focal", "loss.gamma=1.5")
    assert config.optim.lr == 2e-5
    assert to_plain(config.loss) == {"name": "focal", "gamma": 1.5, "alpha": None}


def test_open_mappings_take_keys_of_the_user() -> None:
    assert train_config("data.columns.title=name").data.columns == {"title": "name"}
    assert train_config("data.columns={title: name, tags: labels}").data.columns == {"title": "name", "tags": "labels"}
    assert train_config("data.feature_tokens.title=8").data.feature_tokens == {"title": 8}


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("data.records=/a/b=c.json", "/a/b=c.json"),
        ("data.records=größe.json", "größe.json"),
        ("data.records=data/{x}.json", "data/{x}.json"),
        ("data.records=it's.json", "it's.json"),
        ("data.records=my file.json", "my file.json"),
        ("data.records='a, b.json'", "a, b.json"),
        ("data.records=C:\\data=x\\", "C:\\data=x\\"),
        ("data.records=2024", "2024"),
    ],
)
def test_paths_need_no_quotes(override: str, value: str) -> None:
    assert train_config(override).data.records == value


def test_odd_tags_in_quotes() -> None:
    config = train_config("labels.exclude=['arxiv:2005.10872 ',\"c#\",c++,'{}']")
    assert config.labels.exclude == ("arxiv:2005.10872 ", "c#", "c++", "{}")


@pytest.mark.parametrize(
    ("overrides", "taxonomy"),
    [
        ([], "embedded"),
        (["data=madewithml"], "madewithml"),
        (["data.records=mine.json"], None),
        (["++data.records=mine.json"], None),
        (["data=madewithml", "data.records=mine.json"], None),
        (["data.records=mine.json", "data.taxonomy=tags.json"], "tags.json"),
        (["data.taxonomy=null"], None),
    ],
)
def test_own_records_bring_no_taxonomy(overrides: list[str], taxonomy: str | None) -> None:
    assert train_config(*overrides).data.taxonomy == taxonomy


def test_no_experiment_is_the_default() -> None:
    assert compose_plain(["experiment=null"]) == compose_plain([])
    for name in config_groups().get("experiment", ()):
        assert compose_plain([f"experiment={name}", "experiment=null"]) == compose_plain([])
        assert compose_plain([f"experiment={name}"]) != compose_plain([])


def test_overrides_are_left_so_that_hydra_takes_them() -> None:
    assert check_overrides(["+loss=focal", "optim.lr=1e-4"]) == ["loss=focal", "++optim.lr=1e-4"]


def test_composing_twice_leaves_nothing_behind() -> None:
    train_config("loss=focal")
    assert train_config().loss.name == "bce"


def test_a_callers_own_hydra_is_left_as_it_was() -> None:
    with initialize_config_module(config_module="tagnet.conf"):
        before = GlobalHydra.instance().hydra
        assert before is not None
        train_config("loss=focal")
        assert GlobalHydra.instance().hydra is before
        with pytest.raises(ConfigError):
            train_config("trainer.accelerator=${nothing}")
        assert GlobalHydra.instance().hydra is before
    assert not GlobalHydra.instance().is_initialized()
    train_config()
    assert not GlobalHydra.instance().is_initialized()
