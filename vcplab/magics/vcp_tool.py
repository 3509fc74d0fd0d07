"""The cell magic ``%%vcp_tool``: a cell becomes a tool of a lab.

::

    %load_ext vcplab.magics

    %%vcp_tool shout --timeout 5
    def shout(text: str) -> str:
        "Say it louder."
        return text.upper()

The cell is not run by the magic: an input transformer turns its first line into a comment and adds
the call that makes the tool. So it is an ordinary cell: ``await`` at top level works, errors show
its own lines, and the source of the function is known. If the cell ends with an expression, the
tool exists before that is evaluated, so the cell can end by trying it out.
"""

from __future__ import annotations

import ast
import keyword
import linecache
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.magics.variables import held, unquoted

if TYPE_CHECKING:
    from types import FrameType

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load", "unload"]

_MAGIC = "vcp_tool"
_FIRST_LINE = re.compile(rf"%%{_MAGIC}(?P<line>(?:[ \t].*)?)\r?\n?")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def load(ip: InteractiveShell) -> None:
    """Make ``%%vcp_tool`` known to a shell (``%load_ext vcplab.magics``); twice does no harm.

    Args:
        ip: The shell.
    """
    register: Any = ip.register_magic_function  # its types are those of another function
    register(_magic(ip), magic_kind="line_cell", magic_name=_MAGIC)
    transformers = ip.input_transformers_cleanup
    if _transformed not in transformers:
        transformers.append(_transformed)


def unload(ip: InteractiveShell) -> None:
    """Take ``%%vcp_tool`` away again (``%unload_ext vcplab.magics``).

    Args:
        ip: The shell.
    """
    for kind in ("line", "cell"):
        ip.magics_manager.magics[kind].pop(_MAGIC, None)
    if _transformed in ip.input_transformers_cleanup:
        ip.input_transformers_cleanup.remove(_transformed)


def _transformed(lines: list[str]) -> list[str]:
    """A cell that begins with the magic, as one that ends with its line magic."""
    first = _FIRST_LINE.fullmatch(lines[0]) if lines else None
    if first is None:
        return lines
    call = f"get_ipython().run_line_magic({_MAGIC!r}, {first['line'].strip()!r})"
    # A comment keeps the numbers of the lines, and may stand before `from __future__ import`.
    cell = [f"# {lines[0].rstrip()}\n", *lines[1:]]
    if not cell[-1].endswith("\n"):
        cell[-1] += "\n"
    last = _last_expression("".join(cell))
    if last is None:
        return [*cell, f"{call}\n"]
    row, column = last.lineno - 1, last.col_offset
    line = cell[row].encode()
    cell[row] = f"{line[:column].decode()}{call}; {line[column:].decode()}"
    return cell


def _last_expression(source: str) -> ast.Expr | None:
    """The expression whose value the cell shows; None if it ends otherwise."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):  # IPython's own syntax is in it, or it is wrong
        return None
    return body[-1] if body and isinstance(body[-1], ast.Expr) else None


def _magic(ip: Any) -> Callable[..., None]:
    from IPython.core import magic, magic_arguments

    def vcp_tool(line: str, cell: str | None = None) -> None:
        """Run the cell; the function that it defines last becomes a tool of the lab."""
        if cell is not None:
            # Called by somebody's code; a cell that begins with the magic never comes here.
            ip.run_cell(f"%%{_MAGIC} {line}\n{cell}").raise_error()
            return
        try:
            given = untyped.parse_argstring(made, line)
        except ValueError as error:  # a quotation mark that is not closed
            raise InvalidInputError(
                f"The line of the magic cannot be read: {error}.",
                where=f"%%{_MAGIC}",
                next_step='write for example --description "Say it louder."',
            ) from error
        _make(
            ip,
            name=unquoted(given.name),
            description=unquoted(given.description),
            timeout=given.timeout,
            variable=unquoted(given.lab),
        )

    untyped: Any = magic_arguments
    argument = untyped.argument
    made: Any = vcp_tool
    # Decorators, the last one first; written so because they have no types.
    for decorator in (
        argument("--lab", help="the variable that holds the lab"),
        argument("--timeout", type=float, help="seconds that a call may take"),
        argument("--description", help="what the tool does; from the docstring if left out"),
        argument("name", nargs="?", help="the function, or what the tool is called"),
        untyped.magic_arguments(),
        magic.no_var_expand,  # "$5" in a description is no variable
    ):
        made = decorator(made)
    return vcp_tool


def _make(
    ip: InteractiveShell,
    *,
    name: str | None,
    description: str | None,
    timeout: float | None,
    variable: str | None,
) -> None:
    """Make the tool, and say in one line how it is called."""
    from vcplab.plugins.functions import describe_function

    if timeout is not None and not 0 < timeout < float("inf"):
        raise InvalidInputError(
            f"A time limit is a number of seconds above 0, not {timeout}.",
            where=f"%%{_MAGIC} --timeout",
            next_step="write for example --timeout 5",
        )
    variable, lab = held(
        ip.user_ns, variable, _is_lab,
        what="lab", where=f"%%{_MAGIC}", option="--lab",
        next_step='import vcplab as vl; {} = vl.Lab("my-lab")', usual="lab",
    )  # fmt: skip
    function = _function(ip, name)
    spec = describe_function(function, name=name, description=description)
    lab.tool(function, name=spec.name, description=description, timeout=timeout)
    names = [parameter.name for parameter in spec.parameters]
    if spec.name.isidentifier() and not keyword.iskeyword(spec.name):
        call = f"{variable}.tools.{spec.name}({', '.join(f'{each}=…' for each in names)})"
    else:
        given = ", ".join(f'"{each}": …' for each in names)
        call = f'{variable}.tools.call("{spec.name}", {{{given}}})'
    print(f"{spec.name}{spec.signature()} is a tool of {variable}. Call it: {call}")


def _function(ip: InteractiveShell, name: str | None) -> Callable[..., Any]:
    """The function named so, if the cell made one; else the last one that it defined."""
    tree = ast.parse(_source(ip))
    space = ip.user_ns
    defined = [node.name for node in _statements(tree.body) if isinstance(node, _DEFINITIONS)]
    defined = [each for each in defined if callable(space.get(each))]
    if name is not None and callable(space.get(name)) and (name in _bound(tree) or not defined):
        found: Callable[..., Any] = space[name]
        return found
    if not defined:
        raise NotFoundError(
            "The cell defines no function.",
            where=f"%%{_MAGIC}",
            next_step="write a def in it, or name a function",
        )
    last: Callable[..., Any] = space[defined[-1]]
    return last


def _source(ip: InteractiveShell) -> str:
    """The source of the cell that is running."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals is not ip.user_global_ns:
        frame = frame.f_back
    return "" if frame is None else "".join(linecache.getlines(frame.f_code.co_filename))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module in order, those inside ``if``, ``with``, ``try`` … too."""
    for statement in body:
        yield statement
        if isinstance(statement, (*_DEFINITIONS, ast.ClassDef)):
            continue
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from _statements([child])
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                yield from _statements(child.body)


def _bound(tree: ast.Module) -> set[str]:
    """The names that a cell defines or assigns."""
    names = set()
    for statement in _statements(tree.body):
        if isinstance(statement, _DEFINITIONS):
            names.add(statement.name)
        else:
            names.update(
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
    return names


def _is_lab(value: object) -> bool:
    return callable(getattr(value, "tool", None)) and not isinstance(value, type)
