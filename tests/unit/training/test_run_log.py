"""The log of a run, from before its folder is made to whatever ends it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from lightning_utilities.core.rank_zero import rank_zero_only

from tagnet.errors import RunDirectoryError
from tagnet.training.run_log import RunLog, disk_errors

logger = logging.getLogger("tagnet")

Alone = Callable[[], AbstractContextManager[object]]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    handlers, level = list(logger.handlers), logger.level
    yield
    assert logger.handlers == handlers
    assert logger.level == level


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Alone:
    """Cut tagnet's log off from pytest's handlers for a while."""

    @contextmanager
    def cut() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(logger, "propagate", False)
            yield

    return cut


def test_what_was_said_before_the_folder_was_made_is_in_its_log(tmp_path: Path) -> None:
    with RunLog() as log:
        logger.info("before")
        logger.debug("nobody wants this")
        log.write_to(tmp_path / "run.log")
        logger.warning("after")
        said = (tmp_path / "run.log").read_text()  # at once, for whoever looks on
    logger.warning("outside")
    assert (tmp_path / "run.log").read_text() == said
    lines = said.splitlines()
    assert [line.split()[2:] for line in lines] == [["INFO", "before"], ["WARNING", "after"]]


def test_a_run_that_goes_on_appends(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with RunLog() as log:
            logger.info(word)
            log.write_to(tmp_path / "run.log")
    assert [line.split()[-1] for line in (tmp_path / "run.log").read_text().splitlines()] == ["first", "second"]


def test_a_run_that_fails_takes_its_handlers_with_it() -> None:
    log = RunLog()
    with pytest.raises(ZeroDivisionError), log:
        raise ZeroDivisionError


def test_it_speaks_where_nobody_else_does(tmp_path: Path, alone: Alone, capsys: pytest.CaptureFixture[str]) -> None:
    with alone(), RunLog() as log:
        logger.info("before")
        log.write_to(tmp_path / "run.log")
        logger.info("after")
    assert capsys.readouterr().err == "before\nafter\n"


def test_it_does_not_speak_twice(alone: Alone, capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    try:
        with alone(), RunLog():
            logger.info("once")
    finally:
        logger.removeHandler(handler)
    assert capsys.readouterr().err.count("once") == 1


def test_only_the_first_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    with RunLog() as log:
        logger.warning("from the second")
        log.write_to(tmp_path / "run.log")
    assert not (tmp_path / "run.log").exists()


# ------------------------------------------------------------------------------------------------------------- disk


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied"),
        RuntimeError("[enforce fail] PytorchStreamWriter failed writing file data/0: file write failed"),
        RuntimeError("unexpected pos 64 vs 0"),
    ],
)
def test_a_failing_disk_is_one_clear_error(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="cannot be written") as found, disk_errors(tmp_path / "run"):
        raise error
    assert str(tmp_path / "run") in str(found.value)
    assert found.value.__cause__ is error


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "x"), RuntimeError("shapes differ"), ValueError()])
def test_other_errors_are_left_alone(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as found, disk_errors(tmp_path):
        raise error
    assert found.value is error
