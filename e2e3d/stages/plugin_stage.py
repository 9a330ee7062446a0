"""Stages of one's own: a function with a declared signature, in the place of a stage of the pipeline or beside one."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from e2e3d.errors import MachineError, SettingsError
from e2e3d.stages.plugin_adapters import KINDS, PluginConfig, PluginFunction
from e2e3d.stages.stage import Resources, Stage
from e2e3d.storage.content_keys import canonical

F = TypeVar("F", bound=Callable[..., Any])
_DECLARED = "__e2e3d_plugin__"
_CONTEXT = "context"


@dataclass(frozen=True)
class Declaration:
    """What :func:`plugin` says of a function; see there."""

    version: int
    name: str | None = None
    gpu: bool = False


def plugin(version: int, *, name: str | None = None, gpu: bool = False) -> Callable[[F], F]:
    """Declare a function to be a stage of one's own; it stays a plain function.

    A function without this can be used too: its name is then that of the stage, and its source text the version.

    Args:
        version: raise it when the function, or anything that it uses, gives another result for the same input: stored
            results of other versions are not taken for its own.
        name: of the stage; None = that of the function.
        gpu: whether it uses a GPU where there is one; ``context.device`` says which device it is to use.
    """

    def declare(function: F) -> F:
        setattr(function, _DECLARED, Declaration(version, name, gpu))
        return function

    return declare


@dataclass(frozen=True)
class PluginStage(Stage[Any, PluginConfig, Any]):
    """A stage made of a function.

    Attributes:
        kind: what it does, a key of :data:`~e2e3d.stages.plugin_adapters.KINDS`.
        function: of the user.
        source: stands for the version where the function declares none.
        settings: values of its keyword-only parameters.
    """

    kind: str = ""
    function: Callable[..., Any] | None = None
    source: str = ""
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def adapted(self) -> PluginFunction:
        """The function as the adapters call it."""
        assert self.function is not None
        _, wants_context = _settings(self.kind, self.function, {})
        return PluginFunction(f"{self.kind}={self.function.__name__}", self.function, wants_context)

    def with_settings(self, changes: Mapping[str, object]) -> PluginStage:
        """The same function with other values of its settings. Raises as :func:`stage_of`."""
        assert self.function is not None
        return stage_of(self.kind, functools.partial(self.function, **dict(self.settings) | dict(changes)))

    @property
    def path(self) -> str:
        """Where other processes find it: ``kind=module:function``."""
        assert self.function is not None
        return f"{self.kind}={self.function.__module__}:{self.function.__qualname__}"


def stage_of(kind: str, function: Callable[..., Any]) -> PluginStage:
    """The stage that a function is, settings given to it with :func:`functools.partial` included.

    Raises:
        SettingsError: ``bad-plugin`` for a signature that does not fit its kind, and for settings that have no stable
            content; ``plugin-without-version`` for a function whose text is not known, or does not say all.
    """
    given: Mapping[str, Any] = {}
    if isinstance(function, functools.partial):
        if function.args:
            raise _refused(kind, function.func, "has positional arguments bound to it")
        given, function = function.keywords, function.func
    if not inspect.isfunction(function):
        raise SettingsError(
            "bad-plugin", f"{function!r} is no function, which {kind} of one's own must be.", _wanted(kind)
        )
    settings, wants_context = _settings(kind, function, given)
    declared: Declaration | None = getattr(function, _DECLARED, None)
    return PluginStage(
        name=f"{_plain(kind)}-{_plain(declared.name if declared and declared.name else function.__name__)}",
        version=declared.version if declared else 0,
        config=PluginConfig,
        output=KINDS[kind].output,
        run=functools.partial(
            KINDS[kind].adapt, PluginFunction(f"{kind}={function.__name__}", function, wants_context)
        ),
        resources=Resources(gpu=bool(declared and declared.gpu)),
        workload=KINDS[kind].workload,
        kind=kind,
        function=function,
        source="" if declared else _source(kind, function),
        settings=settings,
    )


def find(path: str) -> PluginStage:
    """The stage at a :attr:`PluginStage.path`.

    Raises:
        MachineError: ``plugin-missing`` where this process cannot import it.
    """
    kind, _, where = path.partition("=")
    module, _, name = where.partition(":")
    try:
        function = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise MachineError(
            "plugin-missing",
            f"The process that computes {kind} cannot import {name} of {module}: {error}.",
            "Install the module on every machine of the cluster, or run with executor='inprocess'.",
        ) from error
    assert callable(function)
    return stage_of(kind, function)


def importable(function: Callable[..., Any]) -> bool:
    """Whether another process finds the same function by its name."""
    if function.__module__ == "__main__" or "<" in function.__qualname__:
        return False
    try:
        found: object = importlib.import_module(function.__module__)
        for name in function.__qualname__.split("."):
            found = getattr(found, name)
        return found is function
    except (ImportError, AttributeError):
        return False


def _settings(
    kind: str, function: Callable[..., Any], given: Mapping[str, Any]
) -> tuple[tuple[tuple[str, Any], ...], bool]:
    """Values of the keyword-only parameters by name, and whether one of these is the context."""
    parameters = inspect.signature(function).parameters.values()
    named = {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}
    positional = inspect.Signature([each for each in parameters if each.kind is not each.KEYWORD_ONLY])
    try:
        positional.bind(*KINDS[kind].parameters)
    except TypeError as error:
        raise _refused(kind, function, f"takes {positional}") from error
    if unknown := sorted(set(given) - set(named)):
        raise _refused(kind, function, f"has no setting {unknown[0]}")
    wants_context = named.pop(_CONTEXT, None) is not None
    values = named | dict(given)
    for name, value in values.items():
        if value is inspect.Parameter.empty:
            raise _refused(kind, function, f"needs a value for {name}, which has no default")
        try:
            canonical(value)
        except TypeError as error:
            raise _refused(kind, function, f"has the setting {name}={value!r}, whose content has no name") from error
    return tuple(sorted(values.items())), wants_context


def _source(kind: str, function: Callable[..., Any]) -> str:
    """A hash of the function's text and of the values that it has captured."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
        captured = {name: canonical(value) for name, value in inspect.getclosurevars(function).nonlocals.items()}
    except (OSError, TypeError) as error:
        raise SettingsError(
            "plugin-without-version",
            f"Stored results of {kind}={function.__name__} could not be told from those of another: {error}.",
            "Write @e2e3d.plugin(version=1) above it, and raise the version when it changes.",
        ) from error
    return hashlib.sha256(json.dumps([text, captured], sort_keys=True).encode()).hexdigest()[:16]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "function"


def _refused(kind: str, function: Callable[..., Any], why: str) -> SettingsError:
    name = getattr(function, "__name__", repr(function))
    return SettingsError("bad-plugin", f"{kind}={name} {why}.", _wanted(kind))


def _wanted(kind: str) -> str:
    return (
        f"Write {kind} as {KINDS[kind].signature}; settings are keyword-only parameters with defaults, numbers, texts, "
        "arrays or tuples of these."
    )
