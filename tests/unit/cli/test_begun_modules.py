"""A begun module is executed when more is asked of it: whole, once, and again after a failure."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from tagnet.cli.begun_modules import BegunFinder, with_names


@pytest.fixture
def begin_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Write a package `small`, with a part, that begins with a function `f`."""

    def write(text: str, part: str = "") -> None:
        (tmp_path / "small").mkdir()
        (tmp_path / "small" / "__init__.py").write_text(text)
        (tmp_path / "small" / "part.py").write_text(part)
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [BegunFinder("small", with_names("f")), *sys.meta_path])
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "small"]:
        del sys.modules[name]


def test_a_module_that_fails_can_be_asked_again(
    begin_small: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_small("import os\nif 'SMALL_WORKS' not in os.environ:\n    raise ImportError('not yet')\ndef f(): return 1\n")
    small = importlib.import_module("small")
    f = small.f
    for _ in range(2):
        with pytest.raises(ImportError, match="not yet"):
            f()
        assert "os" not in vars(small)
    monkeypatch.setenv("SMALL_WORKS", "1")
    assert f() == 1
    assert type(small) is ModuleType
    assert small.f is not f


def test_a_name_that_the_whole_module_has_not_is_said_to_be_missing(begin_small: Callable[..., None]) -> None:
    begin_small("")
    f = importlib.import_module("small").f
    with pytest.raises(ImportError, match="cannot import name 'f' from 'small'"):
        f()


@pytest.mark.parametrize("text", ["def f(): return 1\n", "import small.part\ndef f(): return 1\n"])
def test_a_part_comes_after_the_whole_and_once(begin_small: Callable[..., None], text: str) -> None:
    begin_small(text, "import sys\nhad_f = 'part' not in vars(sys.modules['small'])\nobject_ = object()\n")
    part = importlib.import_module("small.part")
    small = importlib.import_module("small")
    assert type(small) is ModuleType
    assert small.part is part is sys.modules["small.part"]
    assert part.__spec__ is not None
    assert part.__spec__.name == "small.part"
    assert importlib.reload(part) is part


def test_a_part_that_is_not_there_is_said_to_be_missing(begin_small: Callable[..., None]) -> None:
    begin_small("def f(): return 1\n")
    importlib.import_module("small")
    with pytest.raises(ModuleNotFoundError, match=r"small\.other"):
        importlib.import_module("small.other")


def test_another_thread_waits_until_a_module_is_whole(begin_small: Callable[..., None]) -> None:
    begin_small("import time\ntime.sleep(0.3)\nlater = 5\ndef f(): return 1\n")
    small = importlib.import_module("small")
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: small.later, range(4))) == [5] * 4
