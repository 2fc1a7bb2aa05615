"""A cluster's request to stop: training ends at its next optimizer step, where all processes can go on later.

SIGTERM comes before a pre-emption, SIGUSR1 (`sbatch --signal`) before the time is up. Outside training both end the
process at once, as everywhere: nothing is lost that the same command would not find again.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import pytorch_lightning as pl

from tagnet.training.distributed import any_process
from tagnet.training.processes import find_launch

EXIT_CODE = 128 + signal.SIGTERM
"""What a shell, too, calls the exit code of a program that SIGTERM has ended: 143."""
_SIGNALS = [signal.SIGTERM] if sys.platform == "win32" else [signal.SIGTERM, signal.SIGUSR1]


class Stopped(SystemExit):
    """Training has stopped on request; the same command goes on."""


class StopRequests:
    """Inside its `with` block both signals are noted, not obeyed.

    Python lets only the main thread handle signals: in another one nothing is changed.
    """

    def __init__(self) -> None:
        self._requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.getsignal(each) for each in _SIGNALS}
            self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        self._before = {}

    def listen(self) -> None:
        """Handle the signals, again where somebody else has begun to."""
        if threading.current_thread() is threading.main_thread():
            for each in _SIGNALS:
                signal.signal(each, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._requested = True

    def asked(self, trainer: pl.Trainer) -> bool:
        """Whether any process was asked to stop; all of them must call it."""
        return any_process(self._requested, trainer.strategy.root_device)

    def stop(self, trainer: pl.Trainer) -> NoReturn:
        """End this process, once the others have come here as well.

        Raises:
            Stopped: its exit code is 143 in the process whose end its launcher reports, and 0 in those beside it, whose
                failure would have the launcher kill the first one before it is done.
        """
        trainer.strategy.barrier()
        raise Stopped(EXIT_CODE if _reports(trainer) else 0)


def _reports(trainer: pl.Trainer) -> bool:
    """Each torchrun sees its own machine's processes alone; srun and our own launcher see all."""
    launch = find_launch()
    return trainer.is_global_zero or (launch is not None and launch.launcher == "torchrun" and trainer.local_rank == 0)
