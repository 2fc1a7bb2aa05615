"""Import Lightning and transformers in less time: for commands alone, whose process is tagnet's own.

Both bring what a run on one processor never uses: torch's compiler and sharded tensors, torchmetrics' own metrics,
SciPy's optimization, accelerate's command line. Such a module begins with the few names that are asked for while others
are imported; it is executed, in place, as soon as anybody calls one of them or asks for another.
"""

from __future__ import annotations

import gc
import importlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_PARALLEL = ("torch.distributed.", "transformers.distributed.", "accelerate.")


@contextmanager
def quick_imports(*, compiles: bool = False, parallel: bool = False) -> Iterator[None]:
    """Within, modules are imported without looking for garbage; what they made is never looked through again.

    Args:
        compiles: whether the process will use torch's compiler; it is then imported as ever.
        parallel: whether several processes will train together; what that takes is then imported as ever.
    """
    for name, begin in _BEGINNINGS.items():
        whole = (compiles and name.startswith(_COMPILER)) or (parallel and name.startswith(_PARALLEL))
        if not whole and name not in sys.modules:
            sys.meta_path.insert(0, _Finder(name, begin))
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collected:
            gc.enable()


class _Begun(ModuleType):
    """A module that has but a few names as long as nobody asks for another one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _execute(self)
        return getattr(self, name)


def _execute(module: ModuleType) -> None:
    if isinstance(module, _Begun):
        loader = module.__loader__
        assert isinstance(loader, _Beginner)
        assert module.__spec__ is not None
        module.__class__ = ModuleType  # type: ignore[assignment]
        module.__loader__ = module.__spec__.loader = loader.whole
        loader.whole.exec_module(module)


class _Beginner(Loader):
    """Gives a module the names that it begins with."""

    def __init__(self, whole: Loader, begin: Callable[[ModuleType], None]) -> None:
        self.whole = whole
        self._begin = begin

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Begun(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        self._begin(module)


class _AlreadyThere(Loader):
    """Gives a module that came while its place was being looked for."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder(MetaPathFinder):
    """Finds one module, to be begun; whoever imports a part of it by its name gets the whole one first."""

    def __init__(self, name: str, begin: Callable[[ModuleType], None]) -> None:
        self._name, self._begin = name, begin
        self._has_begun = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self._name and fullname not in sys.modules:
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None and spec.loader is not None:
                spec.loader = _Beginner(spec.loader, self._begin_once)
            return spec
        if self._has_begun and fullname.startswith(f"{self._name}.") and fullname not in _BEGINNINGS:
            _execute(sys.modules[self._name])
            if fullname in sys.modules:
                there = sys.modules[fullname]
                return ModuleSpec(fullname, _AlreadyThere(there), is_package=hasattr(there, "__path__"))
        return None

    def _begin_once(self, module: ModuleType) -> None:
        self._begin(module)
        self._has_begun = True


class _StandIn(type):
    """For a class or a function that nobody calls while modules are imported: called, it is the one it stands for."""

    _home: ModuleType

    def __call__(cls, *args: Any, **settings: Any) -> Any:
        _execute(cls._home)
        return getattr(cls._home, cls.__name__)(*args, **settings)

    def __instancecheck__(cls, instance: object) -> bool:
        return any(each.__name__ == cls.__name__ for each in type(instance).__mro__)


def _with(*names: str) -> Callable[[ModuleType], None]:
    def begin(module: ModuleType) -> None:
        for name in names:
            setattr(module, name, _StandIn(name, (), {"_home": module}))

    return begin


def _begin_compiler(module: ModuleType) -> None:
    """What says how functions are to be compiled, where nothing is."""

    def unchanged(function: Any = None, *_: Any, **__: Any) -> Any:
        return function if function is not None else lambda function: function

    _with("OptimizedModule")(module)
    for name in ("disable", "assume_constant_result", "allow_in_graph"):
        setattr(module, name, unchanged)
    module.graph_break = lambda *_: None  # type: ignore[attr-defined]


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
    _with("plot_single_or_multi_val")(module)


_BEGINNINGS: dict[str, Callable[[ModuleType], None]] = {
    _COMPILER: _begin_compiler,
    "torch._dynamo._trace_wrapped_higher_order_op": _with("TransformGetItemToIndex"),
    "torch.distributed.fsdp": _with("CPUOffloadPolicy", "MixedPrecisionPolicy"),
    "torch.distributed._composable.fsdp": _with("fully_shard"),
    "torch.distributed.tensor": _with("DTensor", "Shard", "Replicate", "Partial", "distribute_tensor"),
    "torch.distributed.tensor.placement_types": _with("Shard", "_StridedShard"),
    "transformers.distributed.sharding_utils": _with(
        "DtensorShardOperation", "_dtensor_from_local_like", "_tied_params_are_equal"
    ),
    "transformers.distributed.tensor_parallel": _with(
        "apply_tensor_parallelism", "gather_state_dict_for_save", "get_kv_heads_per_rank", "verify_tp_plan"
    ),
    "transformers.distributed.expert_parallel": _with("apply_expert_parallelism"),
    "transformers.distributed.checkpoint": _with(
        "_get_resolved_distributed_checkpoint_files",
        "_load_model_checkpoint_distributed",
        "_save_model_checkpoint_distributed",
        "consolidate_distributed_checkpoint",
        "get_distributed_checkpoint_dir",
    ),
    "boto3": _with(),
    "scipy.optimize": _with("linear_sum_assignment"),
    "torchmetrics": _begin_torchmetrics,
    "torchmetrics.utilities.plot": _begin_plots,
}
