"""Import Lightning and transformers in less time: for commands alone, whose process is tagnet's own.

Both bring what a run on one processor never uses: torch's compiler and sharded tensors, torchmetrics' own metrics,
SciPy's optimization, boto3 (which accelerate's command line for SageMaker imports). Such a module begins with the few
names that are asked for while others are imported. It is executed, in place, once somebody calls one of them, asks for
another or imports a part of it; until then it stays begun, for as long as the process lives.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock, get_ident
from types import ModuleType
from typing import Any

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
        known = name in sys.modules or any(isinstance(each, _Finder) and each.name == name for each in sys.meta_path)
        if not whole and not known:
            sys.meta_path.insert(0, _Finder(name, begin))
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collected:
            gc.enable()


_executing = RLock()
"""One thread at a time makes begun modules whole; others that need one wait."""


class _Begun(ModuleType):
    """A module that has but a few names as long as nobody asks for another one."""

    _executed_by: int | None = None

    def __getattr__(self, name: str) -> Any:
        # Python itself asks every module for others.
        if name.startswith("__") and name not in ("__all__", "__version__"):
            raise AttributeError(name)
        # Of a module that is just being executed, the thread that does so sees what there is.
        if self._executed_by != get_ident():
            _execute(self)
            return getattr(self, name)
        raise AttributeError(f"partially initialized module {self.__name__!r} has no attribute {name!r}")


def _execute(module: ModuleType) -> None:
    """Make a begun module whole, after those that it is a part of; where that fails, it stays begun."""
    with _executing:
        parent = module.__name__.rpartition(".")[0]
        if parent in sys.modules:
            _execute(sys.modules[parent])
        if not isinstance(module, _Begun) or module._executed_by is not None:
            return
        loader, spec = module.__loader__, module.__spec__
        assert isinstance(loader, _Beginner)
        assert spec is not None
        names = dict(vars(module))
        module._executed_by = get_ident()
        module.__loader__ = spec.loader = loader.whole
        try:
            loader.whole.exec_module(module)
        except BaseException:
            vars(module).clear()
            vars(module).update(names)
            spec.loader = loader
            raise
        vars(module).pop("_executed_by")
        if type(module) is _Begun:  # some give themselves a class of their own
            module.__class__ = ModuleType  # type: ignore[assignment]


class _Beginner(Loader):
    """Gives a module the names that it begins with."""

    def __init__(self, whole: Loader, begin: Callable[[ModuleType], None]) -> None:
        self.whole = whole
        self._begin = begin

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Begun(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        self._begin(module)


class _AfterParent(Loader):
    """Loads a part of a begun module as Python would: after the module, which may have imported it by then."""

    def __init__(self, parent: ModuleType) -> None:
        self._parent = parent
        self._spec: ModuleSpec | None = None
        self._is_there = False

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        _execute(self._parent)
        self._is_there = spec.name in sys.modules
        if self._is_there:
            module = sys.modules[spec.name]
            self._spec = module.__spec__
            return module
        self._spec = importlib.util.find_spec(spec.name)
        if self._spec is None:
            raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)
        return importlib.util.module_from_spec(self._spec)

    def exec_module(self, module: ModuleType) -> None:
        assert self._spec is not None
        vars(module)["__spec__"] = self._spec  # some modules refuse to be given attributes
        if not self._is_there:
            assert self._spec.loader is not None
            self._spec.loader.exec_module(module)


class _Finder(MetaPathFinder):
    """Finds one module, to be begun, and what is imported of it by name while it is."""

    def __init__(self, name: str, begin: Callable[[ModuleType], None]) -> None:
        self.name, self._begin = name, begin
        self._has_begun = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self.name:
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None and spec.loader is not None:
                spec.loader = _Beginner(spec.loader, self._begin_once)
            return spec
        if self._has_begun and fullname.startswith(f"{self.name}.") and fullname not in _BEGINNINGS:
            parent = sys.modules.get(self.name)
            if isinstance(parent, _Begun) and parent._executed_by is None:
                return ModuleSpec(fullname, _AfterParent(parent))
        return None

    def _begin_once(self, module: ModuleType) -> None:
        self._begin(module)
        self._has_begun = True


class _StandIn(type):
    """For a class or a function of a begun module: whatever is done with it makes the module whole."""

    _home: ModuleType

    def _real(cls) -> Any:
        _execute(cls._home)
        found = getattr(cls._home, cls.__name__)
        if found is cls:
            raise ImportError(f"cannot import name {cls.__name__!r} from {cls._home.__name__!r}")
        return found

    def __call__(cls, *args: Any, **settings: Any) -> Any:
        return cls._real()(*args, **settings)

    def __getattr__(cls, name: str) -> Any:
        # Whether a function is compiled, typed or documented in some way is asked of everything.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(cls._real(), name)

    def __instancecheck__(cls, instance: object) -> bool:
        # As long as nobody has made the module whole there are no instances.
        return not isinstance(cls._home, _Begun) and isinstance(instance, cls._real())

    def __subclasscheck__(cls, subclass: type) -> bool:
        return not isinstance(cls._home, _Begun) and issubclass(subclass, cls._real())


def _with(*names: str) -> Callable[[ModuleType], None]:
    def begin(module: ModuleType) -> None:
        for name in names:
            setattr(module, name, _StandIn(name, (), {"_home": module, "__module__": module.__name__}))

    return begin


def _begin_compiler(module: ModuleType) -> None:
    """What says how functions are to be compiled, where nothing is."""

    def unchanged(function: Any = None, *_: Any, **__: Any) -> Any:
        return function if function is not None else lambda function: function

    _with("OptimizedModule")(module)
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
