"""Modules that begin with a few names, and are executed, in place, once somebody asks for more."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Container, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock, get_ident
from types import ModuleType
from typing import Any

_executing = RLock()
"""One thread at a time makes begun modules whole; others that need one wait."""


class Begun(ModuleType):
    """A module that has but a few names as long as nobody asks for another one."""

    _executed_by: int | None = None

    def __getattr__(self, name: str) -> Any:
        # Python itself asks every module for others.
        if name.startswith("__") and name not in ("__all__", "__version__"):
            raise AttributeError(name)
        # Of a module that is just being executed, the thread that does so sees what there is.
        if self._executed_by != get_ident():
            execute(self)
            return getattr(self, name)
        raise AttributeError(f"partially initialized module {self.__name__!r} has no attribute {name!r}")


def execute(module: ModuleType) -> None:
    """Make a begun module whole, after those that it is a part of; where that fails, it stays begun."""
    with _executing:
        parent = module.__name__.rpartition(".")[0]
        if parent in sys.modules:
            execute(sys.modules[parent])
        if not isinstance(module, Begun) or module._executed_by is not None:
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
        if type(module) is Begun:  # some give themselves a class of their own
            module.__class__ = ModuleType  # type: ignore[assignment]


class _Beginner(Loader):
    """Gives a module the names that it begins with."""

    def __init__(self, whole: Loader, begin: Callable[[ModuleType], None]) -> None:
        self.whole = whole
        self._begin = begin

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Begun(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        self._begin(module)


class _AfterParent(Loader):
    """Loads a part of a begun module as Python would: after the module, which may have imported it by then."""

    def __init__(self, parent: ModuleType) -> None:
        self._parent = parent
        self._spec: ModuleSpec | None = None
        self._is_there = False

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        execute(self._parent)
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


class BegunFinder(MetaPathFinder):
    """Finds one module, to be begun, and what is imported of it by name while it is."""

    def __init__(self, name: str, begin: Callable[[ModuleType], None], others: Container[str] = ()) -> None:
        """Find a module.

        Args:
            name: of the module.
            begin: gives it the names that it begins with.
            others: modules with a finder of their own.
        """
        self.name, self._begin, self._others = name, begin, others
        self._has_begun = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """How to load the module, or a part of it while it is begun; None for all others."""
        if fullname == self.name:
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None and spec.loader is not None:
                spec.loader = _Beginner(spec.loader, self._begin_once)
            return spec
        if self._has_begun and fullname.startswith(f"{self.name}.") and fullname not in self._others:
            parent = sys.modules.get(self.name)
            if isinstance(parent, Begun) and parent._executed_by is None:
                return ModuleSpec(fullname, _AfterParent(parent))
        return None

    def _begin_once(self, module: ModuleType) -> None:
        self._begin(module)
        self._has_begun = True


class _StandIn(type):
    """For a class or a function of a begun module: whatever is done with it makes the module whole."""

    _home: ModuleType

    def _real(cls) -> Any:
        execute(cls._home)
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
        return not isinstance(cls._home, Begun) and isinstance(instance, cls._real())

    def __subclasscheck__(cls, subclass: type) -> bool:
        return not isinstance(cls._home, Begun) and issubclass(subclass, cls._real())


def with_names(*names: str) -> Callable[[ModuleType], None]:
    """Begin with classes and functions of these names."""

    def begin(module: ModuleType) -> None:
        for name in names:
            setattr(module, name, _StandIn(name, (), {"_home": module, "__module__": module.__name__}))

    return begin
