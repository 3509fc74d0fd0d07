"""What a function of a notebook needs, followed from name to name."""

from __future__ import annotations

import builtins
import inspect
import pprint
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import MASK, Redactor
from vcplab.plugins.scaffold.distributions import is_importable
from vcplab.plugins.scaffold.sources import (
    Use,
    bare_defaults,
    imported_in,
    names_used,
    source_of,
)
from vcplab.plugins.scaffold.values import (
    advice_on,
    function_in,
    import_of,
    is_definition,
    is_plain,
    kind_of,
    same,
    space_of,
)

__all__ = ["Needs", "follow"]

_LONGEST: Final = 50_000
_MODULE_NAMES: Final = frozenset({"__name__", "__file__", "__doc__"})


@dataclass(slots=True)
class Needs:
    """What stands in an exported script besides the function's own folder.

    Attributes:
        imports: Import statements, by the name they bind.
        submodules: Further ``import a.b``, which only see to it that ``a.b`` is there.
        constants: Assignments of plain values, by name.
        definitions: Functions and classes, by name; the exported function is the last.
        modules: Names of the modules that are imported anywhere.
    """

    imports: dict[str, str] = field(default_factory=dict)
    submodules: set[str] = field(default_factory=set)
    constants: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)


def follow(function: Callable[..., Any]) -> Needs:
    """Collect the source of a function and of everything of the notebook that it uses.

    Imported modules and names become import statements; functions and classes of the notebook, or
    of the function's own module, are taken along as source; plain constants, compiled patterns and
    names of type hints are written as assignments.

    Args:
        function: A function with a source.

    Raises:
        InvalidInputError: It uses something that cannot be taken along. All of it is named, with
            the place of its use.
    """
    search = _Search(function)
    search.run()
    return search.needs


@dataclass(slots=True)
class _Problem:
    text: str
    step: str


class _Search:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.needs = Needs()
        self._function = function
        self._home = {"__main__", function.__module__}
        self._bound: dict[str, Any] = {}
        self._now: dict[str, set[str]] = {}
        self._problems: list[_Problem] = []

    def run(self) -> None:
        name = self._function.__name__
        self._bound[name] = self._function
        self._define(name, self._function, space_of(self._function, {}), "")
        if self._problems:
            raise InvalidInputError(
                f"{name} cannot be exported: {'; '.join(p.text for p in self._problems)}.",
                where=name,
                next_step="; ".join(dict.fromkeys(p.step for p in self._problems)),
            )
        self.needs.definitions = self._in_order()

    def _define(self, name: str, value: Any, space: Mapping[str, Any], place: str) -> None:
        """Take a function or class along as source."""
        source = source_of(value, space)
        if source is None:
            self._refuse(
                f"the source of {name!r} is not known{place}",
                "define it by `def` or `class` in a cell",
            )
            return
        if source.name != name:
            # `short = long_name`, or a decorator that hides what it decorates.
            if self._bound.setdefault(source.name, value) is not value:
                self._refuse(
                    f"{name!r} and {source.name!r} are two different things under one name{place}",
                    "give them different names, or use functools.wraps in decorators",
                )
                return
            self.needs.constants[name] = f"{name} = {source.name}"
            self._now[name] = {source.name}
            if source.name in self.needs.definitions:
                return
        self.needs.definitions[source.name] = source.text
        try:
            uses = names_used(source.text)
        except SyntaxError:
            self._refuse(
                f"{source.name!r} assigns names of the function around it (nonlocal){place}",
                "a plugin starts anew for each call: keep what must last in a file",
            )
            return
        self._now[source.name] = {use.name for use in uses.values() if use.now}
        for module, level in imported_in(source.text):
            self._module(module, f" in {source.name}", relative=level > 0)
        lines = source.text.splitlines()
        for parameter, default in bare_defaults(source.text).items():
            had = getattr(inspect.signature(value).parameters.get(parameter), "default", None)
            if default in space and not same(space[default], had):
                self._refuse(
                    f"the default of {parameter!r} is not what {default!r} is now{place}",
                    f"run the cell that defines {name!r} again",
                )
        for use in uses.values():
            line = lines[use.line - 1].strip() if use.line <= len(lines) else ""
            at = f" (in {source.name}, line {use.line}: {line[:80]})"
            self._resolve(use, space, at)

    def _resolve(self, use: Use, space: Mapping[str, Any], place: str) -> None:
        name = use.name
        if use.written:
            self._refuse(
                f"the global name {name!r} is assigned{place}",
                "a plugin starts anew for each call: keep what must last in a file",
            )
        elif name in space:
            value = space[name]
            if name in self._bound:
                if not same(self._bound[name], value):
                    self._refuse(
                        f"two different things have the name {name!r}{place}",
                        "give them different names",
                    )
                elif isinstance(value, types.ModuleType):
                    self._submodules(value, use)
                return
            self._bound[name] = value
            self._take(name, value, space, use, place)
        elif hasattr(builtins, name):
            root = str(getattr(getattr(builtins, name), "__module__", "") or "").split(".")[0]
            if root not in ("", "builtins", "io", "_io", "_sitebuiltins"):
                self._refuse(
                    f"{name!r} exists in notebooks only{place}",
                    "leave magics and displays out of the function",
                )
        elif not use.optional and name not in _MODULE_NAMES:
            self._refuse(f"the name {name!r} is not defined{place}", "run the cell that defines it")

    def _take(self, name: str, value: Any, space: Mapping[str, Any], use: Use, place: str) -> None:
        """Find a way to have a value in the exported script."""
        if isinstance(value, types.ModuleType):
            self._import_module(name, value, use, place)
            return
        if is_plain(value):
            self._constant(name, value, place)
            return
        if isinstance(value, re.Pattern):
            self.needs.imports.setdefault("re", "import re")
            flags = f", {int(value.flags & ~re.UNICODE)}" if value.flags & ~re.UNICODE else ""
            self.needs.constants[name] = f"{name} = re.compile({value.pattern!r}{flags})"
            return
        value = function_in(value)
        if getattr(value, "__module__", None) in self._home and is_definition(value):
            self._define(name, value, space_of(value, space), place)
            return
        statement = import_of(name, value, self._home)
        if statement is not None:
            module, text = statement
            if self._module(module, place):
                self.needs.imports[name] = text
            return
        if typing.get_origin(value) is not None:
            self._hint(name, value, space, place)
            return
        self._refuse(
            f"the name {name!r} is a {kind_of(value)}, which cannot be taken along{place}",
            advice_on(value),
        )

    def _constant(self, name: str, value: Any, place: str) -> None:
        secret = MASK in repr(Redactor().redact(value, name)) and MASK not in repr(value)
        if secret:
            self._refuse(
                f"the name {name!r} looks like a secret{place}",
                f'read it inside the function, os.environ["{name}"], and set it in config.env',
            )
            return
        text = pprint.pformat(value, width=100 - len(name) - 3, sort_dicts=False)
        if len(text) > _LONGEST:
            self._refuse(
                f"the name {name!r} holds {len(text)} characters{place}",
                "keep so much data in a file of the folder, and read it inside the function",
            )
            return
        self.needs.constants[name] = (
            f"{name} = {text}" if "\n" not in text else (f"{name} = (\n{text}\n)")
        )

    def _import_module(self, name: str, module: types.ModuleType, use: Use, place: str) -> None:
        # os.path is a module of another name on each system.
        path = "os.path" if module is sys.modules["os.path"] else module.__name__
        if not self._module(path, place):
            return
        parent, _, last = path.rpartition(".")
        if name == path:
            text = f"import {path}"
        elif parent and last == name:
            text = f"from {parent} import {last}"
        else:
            text = f"import {path} as {name}"
        self.needs.imports[name] = text
        self._submodules(module, use)

    def _submodules(self, module: types.ModuleType, use: Use) -> None:
        for chain in use.chains:
            inner = module
            for attribute in chain:
                child = getattr(inner, attribute, None)
                path = f"{inner.__name__}.{attribute}"
                if not isinstance(child, types.ModuleType) or sys.modules.get(path) is not child:
                    break
                self.needs.submodules.add(path)
                inner = child

    def _hint(self, name: str, value: Any, space: Mapping[str, Any], place: str) -> None:
        """An alias such as ``Unit = Literal["words", "lines"]``."""
        text = repr(value).replace("__main__.", "")
        try:
            uses = names_used(f"{name} = {text}")
        except SyntaxError:
            self._refuse(
                f"the hint {name!r} cannot be written{place}", "write it out where it is used"
            )
            return
        self.needs.constants[name] = f"{name} = {text}"
        self._now[name] = set(uses)
        for use in uses.values():
            known: Mapping[str, Any] = space
            if use.name not in space and use.name in sys.modules:
                known = {use.name: sys.modules[use.name]}
            self._resolve(use, known, place)

    def _module(self, module: str, place: str, *, relative: bool = False) -> bool:
        """Whether a module can be imported where the notebook is not; else it is a problem."""
        if not relative and is_importable(module):
            self.needs.modules.add(module)
            return True
        self._refuse(
            f"the module {module or '.'!r} is part of no package that can be installed{place}",
            "put what is needed of it into a cell, or make a package of it",
        )
        return False

    def _refuse(self, text: str, step: str) -> None:
        self._problems.append(_Problem(text, step))

    def _in_order(self) -> dict[str, str]:
        """Constants and definitions, each behind what it needs when it is executed."""
        texts = {**self.needs.constants, **dict(reversed(self.needs.definitions.items()))}
        self.needs.constants = {}
        ordered: dict[str, str] = {}
        begun: set[str] = set()

        def put(name: str) -> None:
            if name in texts and name not in begun:
                begun.add(name)
                for needed in sorted(self._now.get(name, ())):
                    put(needed)
                ordered[name] = texts[name]

        for name in texts:
            put(name)
        return ordered
