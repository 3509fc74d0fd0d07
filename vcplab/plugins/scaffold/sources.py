"""The source of functions and classes of a notebook, and the names that it uses."""

from __future__ import annotations

import ast
import inspect
import linecache
import symtable
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Source", "Use", "bare_defaults", "imported_in", "names_used", "source_of"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of one definition.

    Attributes:
        name: The name it is defined under.
        text: Its lines, not indented, without the decorators that make a tool of it.
    """

    name: str
    text: str


@dataclass(slots=True)
class Use:
    """How a definition uses a name that is not its own.

    Attributes:
        name: The name.
        line: Where it is used first, counted from 1 within the definition.
        now: Whether the name is needed already when the definition is executed.
        written: Whether it is assigned by way of ``global`` or ``nonlocal``.
        optional: Whether it stands only in an annotation that is text.
        chains: The attributes that are asked of it, e.g. ``("path", "join")``.
    """

    name: str
    line: int = 1
    now: bool = False
    written: bool = False
    optional: bool = False
    chains: set[tuple[str, ...]] = field(default_factory=set)


def source_of(value: Any, space: Mapping[str, Any]) -> Source | None:
    """The source of a function or class; None if it is not known.

    Args:
        value: A function (wrapped ones too) or a class.
        space: The names of the notebook; its ``In`` holds the cells as they were executed.
    """
    if isinstance(value, type):
        return _class_source(value, space)
    function = inspect.unwrap(value)
    if not isinstance(function, types.FunctionType):
        return None
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return None
    return _cut(text, function.__name__, function=True)


def names_used(text: str) -> dict[str, Use]:
    """The names that a definition takes from its surroundings.

    Args:
        text: A function or a class, not indented.

    Returns:
        By name; builtins too, what it imports or defines itself not.
    """
    tree = ast.parse(text)
    found: dict[str, Use] = {}
    top = symtable.symtable(text, "<definition>", "exec")
    for table, symbol in _symbols(top):
        outer = table is top and not symbol.is_assigned()
        if not (outer or (table is not top and symbol.is_global())):
            continue
        use = found.setdefault(symbol.get_name(), Use(symbol.get_name()))
        use.written |= table is not top and symbol.is_assigned()
    own = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned()}
    for name in own:
        found.pop(name, None)
    for name in _names_in_text_annotations(tree):
        if name not in own:
            found.setdefault(name, Use(name, optional=True))
    for node in sorted(
        (n for n in ast.walk(tree) if isinstance(n, ast.Name)), key=lambda n: -n.lineno
    ):
        if node.id in found:
            found[node.id].line = node.lineno
    for name in _needed_now(tree):
        if name in found:
            found[name].now = True
    for name, chain in _chains(tree):
        if name in found:
            found[name].chains.add(chain)
    return found


def imported_in(text: str) -> list[tuple[str, int]]:
    """The modules that a definition imports itself, with the dots of a relative import."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.level))
    return found


def bare_defaults(text: str) -> dict[str, str]:
    """The parameters of a function whose default is a name, with that name."""
    node = ast.parse(text).body[0]
    if not isinstance(node, _FUNCTIONS):
        return {}
    positional = [*node.args.posonlyargs, *node.args.args]
    pairs = [
        *zip(reversed(positional), reversed(node.args.defaults), strict=False),
        *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True),
    ]
    return {a.arg: default.id for a, default in pairs if isinstance(default, ast.Name)}


def _cut(text: str, name: str, *, function: bool = False) -> Source | None:
    """The definition of that name in a text."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, _FUNCTIONS if function else ast.ClassDef) and node.name == name
    ]
    # A function's text starts with it; of the classes of a cell, the last one is there.
    return Source(name, _lines(text, found[0 if function else -1])) if found else None


def _lines(text: str, node: Any) -> str:
    body = text.splitlines()[node.lineno - 1 : node.end_lineno]
    kept = [d for d in node.decorator_list if not _makes_a_tool(d)]
    decorators = [f"@{ast.get_source_segment(text, decorator)}" for decorator in kept]
    return "\n".join([*decorators, textwrap.dedent("\n".join(body))])


def _makes_a_tool(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return name == "tool"


def _class_source(value: type, space: Mapping[str, Any]) -> Source | None:
    # A class of a cell does not know where it stands: its methods do, and the history does.
    for member in vars(value).values():
        function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
        if not isinstance(function, types.FunctionType):
            continue
        if function.__qualname__ != f"{value.__qualname__}.{function.__name__}":
            continue
        lines = linecache.getlines(function.__code__.co_filename)
        source = _cut("".join(lines), value.__name__)
        if source is not None and _fits(source, value):
            return source
    for cell in _cells(space):
        source = _cut(cell, value.__name__)
        if source is not None and _fits(source, value):
            return source
    try:
        source = _cut(textwrap.dedent(inspect.getsource(value)), value.__name__)
    except (OSError, TypeError):
        return None
    return source if source is not None and _fits(source, value) else None


def _cells(space: Mapping[str, Any]) -> Iterator[str]:
    """The cells, the last one that was executed first."""
    history = space.get("In")
    if isinstance(history, list):
        yield from (cell for cell in reversed(history) if isinstance(cell, str))
    for name in reversed(list(linecache.cache)):
        if "ipykernel" in name or name.startswith("<"):
            yield "".join(linecache.getlines(name))


def _fits(source: Source, value: type) -> bool:
    """Whether a class may have been made by this text: the names in it are the same."""
    node = ast.parse(source.text).body[0]
    assert isinstance(node, ast.ClassDef)
    members, hints = set(vars(value)), set(inspect.get_annotations(value))
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if statement.name not in members:
                return False
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if statement.target.id not in hints:
                return False
            hints.discard(statement.target.id)
        elif isinstance(statement, ast.Assign):
            targets = [t.id for t in statement.targets if isinstance(t, ast.Name)]
            if not members.issuperset(t for t in targets if not t.startswith("__")):
                return False
    return not hints


def _symbols(
    table: symtable.SymbolTable,
) -> Iterator[tuple[symtable.SymbolTable, symtable.Symbol]]:
    for symbol in table.get_symbols():
        yield table, symbol
    for child in table.get_children():
        yield from _symbols(child)


def _names_in_text_annotations(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        for part in ("annotation", "returns"):
            hint = getattr(node, part, None)
            if isinstance(hint, ast.expr):
                names |= _names_in_texts(hint)
    return names


def _names_in_texts(hint: ast.AST) -> set[str]:
    if isinstance(hint, ast.Subscript):
        kind = hint.value
        if (kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "")) == "Literal":
            return set()  # its texts are choices
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        try:
            told = ast.parse(hint.value.strip(), mode="eval")
        except (SyntaxError, ValueError):
            return set()
        names = {node.id for node in ast.walk(told) if isinstance(node, ast.Name)}
        return names | _names_in_texts(told)
    return {name for part in ast.iter_child_nodes(hint) for name in _names_in_texts(part)}


def _needed_now(node: ast.AST) -> Iterator[str]:
    """Names that are looked up while a definition is executed, not when it is called."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
        for part in (*node.decorator_list, *defaults):
            yield from _needed_now(part)
    elif not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _needed_now(child)


def _chains(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in ast.walk(tree):
        chain: list[str] = []
        owner: Any = node
        while isinstance(owner, ast.Attribute):
            chain.insert(0, owner.attr)
            owner = owner.value
        if chain and isinstance(owner, ast.Name):
            yield owner.id, tuple(chain)
