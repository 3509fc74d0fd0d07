"""Variables that the user keeps: ``{{company}}`` stands for what was stored under that name.

::

    variables = VariableStore(lab.workspace)
    variables.create("company", "西湖茶社", category="team")
    lab.variables.register_provider(variables.provider())
    lab.variables.resolve_all("{{company}}, {{current_date}}")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError, NotFoundError, VCPErrorCode
from vcplab.core.names import named_options
from vcplab.core.records import JsonRecord, JsonRecords
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace
from vcplab.prompt.placeholders.provider import Answer, once_per_resolve
from vcplab.prompt.placeholders.syntax import checked_name
from vcplab.prompt.system_variables import SYSTEM_VARIABLES, SystemVariables

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PromptVariable", "StoredVariables", "VariableStore"]

_COLUMNS: Final = ("name", "value", "description", "category", "is_system")


@dataclass(frozen=True, slots=True)
class PromptVariable:
    """A variable of prompts (seed 002 §1.1; facts/vcp-agents §3).

    Attributes:
        name: What stands between the braces; upper and lower case differ.
        value: What takes its place; placeholders in it are resolved, too.
        id: A stable identifier; the name by default.
        description: What it is for.
        category: For filing.
        is_system: Whether it is one of `SYSTEM_VARIABLES`, computed and not kept.

    Raises:
        InvalidInputError: The name cannot be a placeholder, or a field is no text.
    """

    name: str
    value: str = ""
    id: str = ""
    description: str = ""
    category: str = ""
    is_system: bool = False

    def __post_init__(self) -> None:
        checked_name(self.name, "name")
        for field_name in ("value", "id", "description", "category"):
            given = getattr(self, field_name)
            if not isinstance(given, str):
                raise InvalidInputError(
                    f"The {field_name} of a variable is text, not {type(given).__name__}.",
                    where=f"{self.name}.{field_name}",
                    next_step="pass str(…)",
                )
        object.__setattr__(self, "id", self.id.strip() or self.name)

    @classmethod
    def of(cls, given: PromptVariable | Mapping[str, Any]) -> PromptVariable:
        """A variable from a mapping in either spelling (``isSystem``, ``is_system``).

        Raises:
            InvalidInputError: It cannot be a variable.
        """
        if isinstance(given, PromptVariable):
            return given
        values = named_options(cls, given, {}, what="A variable", where="variable")
        return cls(**{"name": "", **values})

    def to_dict(self) -> dict[str, Any]:
        """Its fields, JSON-able."""
        return asdict(self)


_Variables: TypeAlias = list[PromptVariable]


class VariableStore:
    """Variables by name, kept in a lab, a store or this process's memory.

    System variables are listed, too, with their present value; they cannot be changed or deleted,
    and no other may take their name.

    Args:
        where: A lab's workspace, a store, or None for memory.
        system: The system variables; greetings in Chinese and seed 0 by default.
    """

    def __init__(
        self, where: Store | Workspace | None = None, *, system: SystemVariables | None = None
    ) -> None:
        self._records = JsonRecords(where, "prompt-variables")
        self.system = system or SystemVariables()

    def create(
        self,
        name: str | PromptVariable | Mapping[str, Any],
        value: str = "",
        *,
        description: str = "",
        category: str = "",
        replace: bool = False,
    ) -> PromptVariable:
        """Keep a new variable.

        Args:
            name: Its name, without braces; or the whole variable, also as a mapping in either
                spelling.
            value: Its value.
            description: What it is for.
            category: For filing.
            replace: Whether one of this name may be replaced.

        Raises:
            InvalidInputError: The name is taken, is a system variable's, or cannot be one.
            ReadOnlyError: Somebody else owns the lab.
        """
        if isinstance(name, str):
            variable = PromptVariable(name, value, description=description, category=category)
        else:
            variable = PromptVariable.of(name)
        self._refuse_system(variable.name, "name")
        self._refuse_system(variable.id, "id")
        if variable.is_system:
            raise InvalidInputError(
                f"{variable.name} cannot be made a system variable.",
                where="is_system",
                next_step=f"leave it out; the system variables are {', '.join(SYSTEM_VARIABLES)}",
            )
        with self._records.transaction():
            others = self._own()
            taken = next((o for o in others if o.name == variable.name), None)
            if taken is not None and not replace:
                raise InvalidInputError(
                    f"There is a variable {variable.name!r} already.",
                    where="name",
                    next_step="use update(), create(…, replace=True), or another name",
                )
            if taken is not None:
                variable = _changed(variable, id=taken.id)
            elif any(one.id == variable.id for one in others):
                raise InvalidInputError(
                    f"Another variable has the id {variable.id!r}.",
                    where="id",
                    next_step="leave the id out, or choose another one",
                )
            self._records.put(variable.id, _kept(variable))
        return variable

    def get(self, name: str) -> PromptVariable:
        """A variable by name or id.

        Raises:
            NotFoundError: There is none; code ``VARIABLE_NOT_FOUND``.
        """
        variables = self.list()
        for found in (v for key in ("name", "id") for v in variables if getattr(v, key) == name):
            return found
        near = get_close_matches(name, [one.name for one in variables], n=1)
        raise NotFoundError(
            f"There is no variable {name!r}.",
            code=VCPErrorCode.VARIABLE_NOT_FOUND,
            where="name",
            next_step=f"did you mean {near[0]!r}?" if near else "list() shows what there is",
        )

    def update(
        self, name: str, changes: Mapping[str, Any] | str | None = None, /, **more: Any
    ) -> PromptVariable:
        """Change a variable.

        Args:
            name: Its name or id.
            changes: The new value, or fields in either spelling.
            **more: Fields; they win.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: It is a system variable, or the change impossible.
        """
        given = {"value": changes} if isinstance(changes, str) else (changes or {})
        values = named_options(PromptVariable, given, more, what="A variable", where="variable")
        self._refuse_system(name, "name")
        with self._records.transaction():
            old = self.get(name)
            new = _changed(old, **values)
            if new.id != old.id or new.is_system:
                raise InvalidInputError(
                    "The id of a variable and whether it is the system's do not change.",
                    where="id" if new.id != old.id else "is_system",
                    next_step="create another variable",
                )
            self._refuse_system(new.name, "name")
            if new.name != old.name and any(one.name == new.name for one in self._own()):
                raise InvalidInputError(
                    f"There is a variable {new.name!r} already.",
                    where="name",
                    next_step="choose another name",
                )
            if new != old:
                self._records.put(old.id, _kept(new))
        return new

    def delete(self, name: str) -> PromptVariable:
        """Delete a variable, and give it back.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: It is a system variable.
        """
        self._refuse_system(name, "name")
        with self._records.transaction():
            old = self.get(name)
            self._records.delete(old.id)
        return old

    def values(self) -> dict[str, str]:
        """Names → values of what is kept, system variables left out."""
        return {one.name: one.value for one in self._own()}

    def list(self, *, category: str | None = None, system: bool = True) -> _Variables:
        """The variables, the user's first, in the order in which they were made.

        Args:
            category: Only those of this category; system variables are of ``"system"``.
            system: Whether system variables are listed, with their present values.
        """
        found = self._own()
        if system:
            found += [
                PromptVariable(name, self.system.value(name), "", told, "system", True)
                for name, told in SYSTEM_VARIABLES.items()
            ]
        return [one for one in found if category in (None, one.category)]

    def provider(self, name: str = "stored") -> StoredVariables:
        """A provider for a `VariableEngine` that answers with what is kept, and the system's.

        Args:
            name: What the provider is called.
        """
        return StoredVariables(self, name)

    def to_frame(self) -> pd.DataFrame:
        """One row per variable: name, value, description, category, is_system."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(_COLUMNS))

    def __iter__(self) -> Iterator[PromptVariable]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._own())

    def __contains__(self, name: object) -> bool:
        return name in SYSTEM_VARIABLES or any(one.name == name for one in self._own())

    def __repr__(self) -> str:
        return f"<VariableStore: {len(self)} variables, {len(SYSTEM_VARIABLES)} of the system>"

    def _repr_html_(self) -> str:
        return style_block() + html_table(_COLUMNS, self._rows())

    def _rows(self) -> _Rows:
        return [tuple(getattr(one, column) for column in _COLUMNS) for one in self.list()]

    def _own(self) -> _Variables:
        return [_read(record) for record in self._records.all()]

    def _refuse_system(self, name: str, where: str) -> None:
        if name in SYSTEM_VARIABLES:
            raise InvalidInputError(
                f"{name} is a system variable, which cannot be set, changed or deleted.",
                where=where,
                next_step="choose another name, or give a value for one rendering: "
                f"render(…, {name}=…)",
            )


_Rows: TypeAlias = list[tuple[Any, ...]]


class StoredVariables:
    """Answers placeholders with what a `VariableStore` keeps, then with its system variables.

    The store is read once in a resolve, so an edit shows in the next text. ``{{VarX}}`` and
    ``{{TarX}}`` are variables like others here: one of that very name answers.

    Args:
        variables: The store.
        name: What the provider is called.
    """

    def __init__(self, variables: VariableStore, name: str = "stored") -> None:
        self.name = name
        self._variables = variables

    def names(self) -> list[str]:
        """The placeholders that have a value."""
        return [*self._variables.values(), *self._variables.system.names()]

    def resolve(self, key: str) -> Answer:
        """The value of a placeholder, or None.

        Args:
            key: Its name.
        """
        values = once_per_resolve((self, "values"), self._variables.values)
        return values[key] if key in values else self._variables.system.resolve(key)

    def __repr__(self) -> str:
        return f"StoredVariables({self._variables!r})"


def _changed(variable: PromptVariable, **values: Any) -> PromptVariable:
    return PromptVariable(**{**asdict(variable), **values})


def _kept(variable: PromptVariable) -> dict[str, Any]:
    return {name: value for name, value in asdict(variable).items() if name != "is_system"}


def _read(record: JsonRecord) -> PromptVariable:
    return PromptVariable.of(record.body)
