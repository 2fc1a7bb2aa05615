"""Lightning and transformers are imported without what a run has no use for; who asks for it gets it whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

QUICK = """
import importlib, sys
from tagnet.cli.quick_imports import quick_imports
with quick_imports({settings}):
    import tagnet.training.fit
    import transformers.modeling_layers
"""
NOT_NEEDED = (
    "torch._dynamo.eval_frame",
    "torch._inductor",
    "torch.distributed.fsdp._flat_param",
    "torch.distributed.tensor._ops",
    "torch.distributed.checkpoint",
    "torchmetrics.functional",
    "scipy.linalg",
    "sympy",
    "matplotlib",
    "pandas",
    "pyarrow",
    "sklearn",
    "boto3.session",
)


def run(script: str, settings: str = "") -> list[str]:
    command = [sys.executable, "-W", "ignore", "-c", QUICK.format(settings=settings) + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_a_run_never_uses_is_not_imported() -> None:
    assert run(f"print([name for name in {NOT_NEEDED} if name in sys.modules])") == ["[]"]


def test_optimizers_step_without_the_compiler() -> None:
    said = run(
        "import torch\n"
        "weight = torch.nn.Parameter(torch.ones(2))\n"
        "optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)\n"
        "weight.sum().backward()\n"
        "optimizer.step()\n"
        "optimizer.zero_grad()\n"
        "print(weight.tolist()[0] < 1, 'torch._dynamo.eval_frame' in sys.modules)\n"
    )
    assert said == ["True False"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "import torch\nprint(torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)).item())\n"
            "print(isinstance(torch.compile(torch.nn.Linear(1, 1)), torch._dynamo.OptimizedModule))",
            ["2.0", "True"],
        ),
        (
            "import torch._dynamo.eval_frame as e, torch\n"
            "print(torch._dynamo.eval_frame is e, torch._dynamo.OptimizedModule is e.OptimizedModule)",
            ["True True"],
        ),
        (
            "import torch._dynamo.config as config\nimport torch._dynamo.guards, torch\n"
            "print(torch._dynamo.guards.config is config, torch._dynamo.config is config)",
            ["True True"],
        ),
        ("import torch._dynamo\nprint(torch._dynamo.config.suppress_errors)", ["False"]),
        (
            "from torch.distributed.tensor.placement_types import Placement, Shard\nimport torch.distributed.tensor\n"
            "from torch.distributed.tensor.placement_types import Shard as Again\n"
            "print(isinstance(Shard(0), Placement), issubclass(Again, Placement), isinstance(Again(0), Shard))",
            ["True True True"],
        ),
        (
            "from torch.distributed.tensor import DTensor\nprint(callable(DTensor.from_local), isinstance(1, DTensor))",
            ["True False"],
        ),
        (
            "import torchmetrics.aggregation, torchmetrics, pickle\n"
            "print(torchmetrics.MeanMetric is torchmetrics.aggregation.MeanMetric)\n"
            "print(type(pickle.loads(pickle.dumps(torchmetrics.MeanMetric()))).__name__)",
            ["True", "MeanMetric"],
        ),
        ("import boto3\nprint(boto3.__version__.count('.'))", ["2"]),
        ("from boto3.session import Session\nimport boto3\nprint(boto3.Session is Session)", ["True"]),
        (
            "from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex as T\n"
            "with T():\n    print(type(T()).__name__)",
            ["TransformGetItemToIndex"],
        ),
        (
            "from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard, MixedPrecisionPolicy\n"
            "print(MixedPrecisionPolicy().cast_forward_inputs, FullyShardedDataParallel.__name__)",
            ["True FullyShardedDataParallel"],
        ),
        (
            "from transformers.distributed.utils import is_dtensor\nimport torch\n"
            "from torch.distributed.tensor import Replicate, DTensor\n"
            "print(is_dtensor(torch.ones(1)), Replicate() == Replicate(), isinstance(torch.ones(1), DTensor))",
            ["False True False"],
        ),
        (
            "from scipy.optimize import linear_sum_assignment, minimize\n"
            "print(linear_sum_assignment([[1, 2], [2, 1]])[1].tolist(), minimize.__name__)",
            ["[0, 1] minimize"],
        ),
        (
            "from torchmetrics.classification import MultilabelF1Score\nimport torch, torchmetrics\n"
            "print(MultilabelF1Score(2)(torch.eye(2), torch.eye(2).int()).item(), torchmetrics.F1Score.__name__)",
            ["1.0 F1Score"],
        ),
        ("import torchmetrics.functional as f\nprint(f.accuracy.__name__)", ["accuracy"]),
        (
            "from torchmetrics.aggregation import MeanMetric\nmean = MeanMetric()\nmean.update(1.0)\n"
            "print(type(mean.plot()[0]).__name__)",
            ["Figure"],
        ),
    ],
)
def test_who_asks_for_more_gets_the_whole_module(script: str, expected: list[str]) -> None:
    assert run(script) == expected


def test_the_names_that_modules_begin_with_are_theirs() -> None:
    """A stand-in for a name that a newer version has no more would hide an error."""
    assert run(
        "from tagnet.cli.begun_modules import Begun, execute\nfrom tagnet.cli.quick_imports import _BEGINNINGS\n"
        "modules = {name: importlib.import_module(name) for name in _BEGINNINGS if importlib.util.find_spec(name)}\n"
        "began = {name: [each for each in vars(module) if not each.startswith('__')]\n"
        "         for name, module in modules.items()\n"
        "         if isinstance(module, Begun)}\n"
        "for module in modules.values():\n"
        "    execute(module)\n"
        "gone = [(name, each) for name, names in began.items() for each in names if not hasattr(modules[name], each)]\n"
        "still = [(name, each) for name, names in began.items() for each in names\n"
        "         if type(getattr(modules[name], each)).__name__ == '_StandIn']\n"
        "print(len(began) > 5, gone, still)\n"
    ) == ["True [] []"]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ("compiles=True", "torch._dynamo.eval_frame"),
        ("parallel=True", "torch.distributed.tensor._ops"),
    ],
)
def test_what_a_run_will_use_is_imported_as_ever(settings: str, name: str) -> None:
    assert run(f"print({name!r} in sys.modules)", settings) == ["True"]


def test_garbage_is_not_looked_for_meanwhile() -> None:
    said = run(
        "import gc\nprint(gc.isenabled())\nwith quick_imports():\n    print(gc.isenabled())\nprint(gc.isenabled())\n"
    )
    assert said == ["True", "False", "True"]


def test_what_is_there_already_stays() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import scipy.optimize, sys\n"
            "from tagnet.cli.quick_imports import quick_imports\n"
            "with quick_imports():\n"
            "    from scipy.optimize import linear_sum_assignment\n"
            "print(linear_sum_assignment.__class__.__name__)\n",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == ["builtin_function_or_method"]
