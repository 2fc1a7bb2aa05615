"""Import Lightning and transformers in less time: for commands alone, whose process is tagnet's own.

Both bring what a run on one processor never uses: torch's compiler and sharded tensors, torchmetrics' own metrics,
SciPy's optimization, boto3 (which accelerate's command line for SageMaker imports). Such a module begins with the few
names that are asked for while others are imported. It is executed, in place, once somebody calls one of them, asks for
another or imports a part of it; until then it stays begun, for as long as the process lives.
"""

from __future__ import annotations

import gc
import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tagnet.cli.begun_modules import BegunFinder, with_names

_COMPILER = "torch._dynamo"
_PARALLEL = ("torch.distributed.", "transformers.distributed.")


@contextmanager
def quick_imports(*, compiles: bool = False, parallel: bool = False) -> Iterator[None]:
    """Within, modules are imported without looking for garbage; what they made is never looked through again.

    From here on some modules begin small; see above.

    Args:
        compiles: whether the process will need torch's compiler; it is then imported as ever.
        parallel: whether several processes will train together; what that takes is then imported as ever.
    """
    for name, begin in _BEGINNINGS.items():
        whole = (compiles and name.startswith(_COMPILER)) or (parallel and name.startswith(_PARALLEL))
        known = name in sys.modules or any(
            isinstance(each, BegunFinder) and each.name == name for each in sys.meta_path
        )
        if not whole and not known:
            sys.meta_path.insert(0, BegunFinder(name, begin, _BEGINNINGS))
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collected:
            gc.enable()


def _begin_compiler(module: ModuleType) -> None:
    """What says how functions are to be compiled, where nothing is."""

    def unchanged(function: Any = None, *_: Any, **__: Any) -> Any:
        return function if function is not None else lambda function: function

    with_names("OptimizedModule")(module)
    for name in ("disable", "assume_constant_result", "allow_in_graph"):
        setattr(module, name, unchanged)
    module.graph_break = lambda *_, **__: None  # type: ignore[attr-defined]


def _begin_torchmetrics(module: Any) -> None:
    """What Lightning asks for."""
    module._logger = logging.getLogger("torchmetrics")
    module.__version__ = importlib.import_module("torchmetrics.__about__").__version__
    importlib.import_module("torchmetrics.utilities")
    module.Metric = importlib.import_module("torchmetrics.metric").Metric
    module.MetricCollection = importlib.import_module("torchmetrics.collections").MetricCollection


def _begin_plots(module: Any) -> None:
    """What stands in annotations, and what draws."""
    module._AX_TYPE = module._PLOT_OUT_TYPE = object
    with_names("plot_single_or_multi_val")(module)


_BEGINNINGS: dict[str, Callable[[ModuleType], None]] = {
    _COMPILER: _begin_compiler,
    "torch._dynamo._trace_wrapped_higher_order_op": with_names("TransformGetItemToIndex"),
    "torch.distributed.fsdp": with_names("CPUOffloadPolicy", "MixedPrecisionPolicy"),
    "torch.distributed._composable.fsdp": with_names("fully_shard"),
    "torch.distributed.tensor": with_names("DTensor", "Shard", "Replicate", "Partial", "distribute_tensor"),
    "torch.distributed.tensor.placement_types": with_names("Shard", "_StridedShard"),
    "transformers.distributed.sharding_utils": with_names(
        "DtensorShardOperation", "_dtensor_from_local_like", "_tied_params_are_equal"
    ),
    "transformers.distributed.tensor_parallel": with_names(
        "apply_tensor_parallelism", "gather_state_dict_for_save", "get_kv_heads_per_rank", "verify_tp_plan"
    ),
    "transformers.distributed.expert_parallel": with_names("apply_expert_parallelism"),
    "transformers.distributed.checkpoint": with_names(
        "_get_resolved_distributed_checkpoint_files",
        "_load_model_checkpoint_distributed",
        "_save_model_checkpoint_distributed",
        "consolidate_distributed_checkpoint",
        "get_distributed_checkpoint_dir",
    ),
    "boto3": with_names(),
    "scipy.optimize": with_names("linear_sum_assignment"),
    "torchmetrics": _begin_torchmetrics,
    "torchmetrics.utilities.plot": _begin_plots,
}
