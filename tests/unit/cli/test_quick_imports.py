"""Lightning is imported without SciPy's signal processing, and nobody notices afterwards."""

from __future__ import annotations

import subprocess
import sys


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_lightning_comes_without_scipy_and_the_real_module_afterwards() -> None:
    said = run(
        "import gc, sys\n"
        "from tagnet.cli.quick_imports import quick_imports\n"
        "with quick_imports():\n"
        "    assert not gc.isenabled()\n"
        "    import tagnet.training.fit\n"
        "print('scipy.signal' in sys.modules, 'scipy.optimize' in sys.modules, gc.isenabled())\n"
        "import scipy.signal, torchmetrics\n"
        "print(len(scipy.signal.convolve([1, 1], [1, 1])), torchmetrics.MetricCollection.__name__)\n"
    )
    assert said.splitlines() == ["False False True", "3 MetricCollection"]


def test_who_asks_the_stand_in_for_more_gets_scipys_own() -> None:
    said = run(
        "import sys\n"
        "from tagnet.cli.quick_imports import _stand_in_for_signal\n"
        "with _stand_in_for_signal():\n"
        "    import scipy.signal\n"
        "    assert hasattr(scipy.signal, 'hamming') and not hasattr(sys.modules['scipy.signal'], '__path__')\n"
        "    print(len(sys.modules['scipy.signal'].convolve([1, 1], [1, 1])))\n"
        "print(len(scipy.signal.convolve([1, 1], [1, 1])), hasattr(scipy.signal, 'hamming'))\n"
    )
    assert said.splitlines() == ["3", "3 False"]


def test_what_is_there_already_stays() -> None:
    said = run(
        "import scipy.signal, sys\n"
        "before = sys.modules['scipy.signal']\n"
        "from tagnet.cli.quick_imports import quick_imports\n"
        "with quick_imports():\n"
        "    pass\n"
        "print(sys.modules['scipy.signal'] is before)\n"
    )
    assert said.split() == ["True"]
