"""Templates of prompts: kept under a name, filled in when they are needed.

::

    templates = TemplateStore(lab.workspace, engine=lab.variables)
    templates.create("welcome", "{{name}}，{{random_greeting}}今天是{{current_date}}。", ["name"])
    templates.render("welcome", name="小林")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError, NotFoundError, VCPErrorCode
from vcplab.core.names import named_options
from vcplab.core.records import JsonRecords
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace
from vcplab.prompt.placeholders import (
    PlaceholderProvider,
    Resolution,
    VariableEngine,
    find_placeholders,
)
from vcplab.prompt.placeholders.syntax import bare_name, checked_name
from vcplab.prompt.stored_variables import VariableStore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PromptTemplate", "TemplateStore"]

_COLUMNS: Final = ("name", "content", "variables", "category", "description")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A text with placeholders (seed 002 §1.1; facts/vcp-agents §3).

    Attributes:
        name: What it is called, in any script.
        content: The text.
        variables: Names that must have a value when it is rendered.
        id: A stable identifier; the name by default.
        category: For filing.
        description: What it is for.

    Raises:
        InvalidInputError: A field cannot be accepted.
    """

    name: str
    content: str = ""
    variables: tuple[str, ...] = ()
    id: str = ""
    category: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        for field_name in ("name", "content", "id", "category", "description"):
            given = getattr(self, field_name)
            if not isinstance(given, str):
                raise InvalidInputError(
                    f"The {field_name} of a template is text, not {type(given).__name__}.",
                    where=f"template {field_name}",
                    next_step="pass str(…)",
                )
        put = object.__setattr__
        put(self, "name", self.name.strip())
        if len(self.name.splitlines()) != 1:
            raise InvalidInputError(
                f"{self.name!r} is no name of a template.",
                where="name",
                next_step="give one line of text, in any script",
            )
        put(self, "id", self.id.strip() or self.name)
        put(self, "variables", _names(self.variables))

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names between braces in its content, each once."""
        return tuple(dict.fromkeys(found.name for found in find_placeholders(self.content)))

    @classmethod
    def of(cls, given: PromptTemplate | Mapping[str, Any]) -> PromptTemplate:
        """A template from a mapping in either spelling.

        Raises:
            InvalidInputError: It cannot be a template.
        """
        if isinstance(given, PromptTemplate):
            return given
        values = named_options(cls, given, {}, what="A template", where="template")
        return cls(**{"name": "", **values})

    def to_dict(self) -> dict[str, Any]:
        """Its fields, JSON-able."""
        return {**asdict(self), "variables": list(self.variables)}


_Templates: TypeAlias = list[PromptTemplate]
_Rows: TypeAlias = list[tuple[str, ...]]


class TemplateStore:
    """Templates by name, kept in a lab, a store or this process's memory.

    Args:
        where: A lab's workspace, a store, or None for memory.
        variables: The stored variables that templates see; a store of the same place by default.
        engine: An engine whose providers are asked last, e.g. ``lab.variables`` for dates, tools
            and ``Tar*``/``Var*`` of a server's configuration.
    """

    def __init__(
        self,
        where: Store | Workspace | None = None,
        *,
        variables: VariableStore | None = None,
        engine: VariableEngine | None = None,
    ) -> None:
        self._records = JsonRecords(where, "prompt-templates")
        self.variables = VariableStore(where) if variables is None else variables
        self.engine = engine

    def create(
        self,
        name: str | PromptTemplate | Mapping[str, Any],
        content: str = "",
        variables: Iterable[str] = (),
        *,
        category: str = "",
        description: str = "",
        replace: bool = False,
    ) -> PromptTemplate:
        """Keep a new template.

        Args:
            name: Its name; or the whole template, also as a mapping in either spelling.
            content: The text.
            variables: Names that must have a value when it is rendered.
            category: For filing.
            description: What it is for.
            replace: Whether one of this name may be replaced.

        Raises:
            InvalidInputError: The name or id is taken, or a field impossible.
            ReadOnlyError: Somebody else owns the lab.
        """
        if isinstance(name, str):
            template = PromptTemplate(
                name, content, _names(variables), category=category, description=description
            )
        else:
            template = PromptTemplate.of(name)
        with self._records.transaction():
            others = self.list()
            taken = next((one for one in others if one.name == template.name), None)
            if taken is not None and not replace:
                raise _taken(template.name)
            if taken is not None:
                template = _changed(template, id=taken.id)
            elif any(one.id == template.id for one in others):
                raise InvalidInputError(
                    f"Another template has the id {template.id!r}.",
                    where="id",
                    next_step="leave the id out, or choose another one",
                )
            self._records.put(template.id, template.to_dict())
        return template

    def get(self, name: str) -> PromptTemplate:
        """A template by name or id.

        Raises:
            NotFoundError: There is none.
        """
        templates = self.list()
        for found in (t for key in ("name", "id") for t in templates if getattr(t, key) == name):
            return found
        near = get_close_matches(name, [one.name for one in templates], n=1)
        raise NotFoundError(
            f"There is no template {name!r}.",
            where="name",
            next_step=f"did you mean {near[0]!r}?" if near else "list() shows what there is",
        )

    def update(
        self, name: str, changes: Mapping[str, Any] | None = None, /, **more: Any
    ) -> PromptTemplate:
        """Change a template.

        Args:
            name: Its name or id.
            changes: Fields in either spelling.
            **more: Fields; they win.

        Raises:
            NotFoundError: There is none.
            InvalidInputError: The change is impossible.
        """
        values = named_options(PromptTemplate, changes, more, what="A template", where="template")
        with self._records.transaction():
            old = self.get(name)
            new = _changed(old, **values)
            if new.id != old.id:
                raise InvalidInputError(
                    "The id of a template does not change.",
                    where="id",
                    next_step="create another template",
                )
            if new.name != old.name and any(one.name == new.name for one in self.list()):
                raise _taken(new.name)
            if new != old:
                self._records.put(old.id, new.to_dict())
        return new

    def delete(self, name: str) -> PromptTemplate:
        """Delete a template, and give it back.

        Raises:
            NotFoundError: There is none.
        """
        with self._records.transaction():
            old = self.get(name)
            self._records.delete(old.id)
        return old

    def render(
        self,
        template: str | PromptTemplate,
        values: Mapping[str, object] | None = None,
        /,
        *,
        strict: bool = True,
        **overrides: object,
    ) -> str:
        """Fill a template in.

        A placeholder is answered by what is given here, else by a stored variable, else by a
        system variable, else by the engine's providers. Values may hold placeholders themselves;
        circles and depth are the engine's matter.

        Args:
            template: A template, or the name or id of one that is kept.
            values: Names → values for this time; numbers are written as text.
            strict: Whether a declared variable without a value is an error. Otherwise it stays as
                it is, as undeclared ones do.
            **overrides: More values; they win.

        Raises:
            NotFoundError: There is no such template; or, with code ``VARIABLE_NOT_FOUND``,
                declared variables have no value: the message lists them all.
            InvalidInputError: A value is no text; or values hold each other in a circle (code
                ``CIRCULAR_DEPENDENCY``) or too deep (``MAX_RECURSION_EXCEEDED``).
            VCPError: A provider of the engine failed.
        """
        return self.explain(template, values, strict=strict, **overrides).text

    async def arender(
        self,
        template: str | PromptTemplate,
        values: Mapping[str, object] | None = None,
        /,
        *,
        strict: bool = True,
        **overrides: object,
    ) -> str:
        """Fill a template in, awaiting what has to be awaited; see `render`."""
        found = self._found(template)
        engine = self._engine_for({**(values or {}), **overrides})
        return _checked(found, await engine.aexplain(found.content), strict).text

    def explain(
        self,
        template: str | PromptTemplate,
        values: Mapping[str, object] | None = None,
        /,
        *,
        strict: bool = True,
        **overrides: object,
    ) -> Resolution:
        """Fill a template in and tell who answered what; see `render`."""
        found = self._found(template)
        engine = self._engine_for({**(values or {}), **overrides})
        return _checked(found, engine.explain(found.content), strict)

    def list(self, *, category: str | None = None) -> _Templates:
        """The templates, in the order in which they were made.

        Args:
            category: Only those of this category.
        """
        found = [PromptTemplate.of(record.body) for record in self._records.all()]
        return [one for one in found if category in (None, one.category)]

    def to_frame(self) -> pd.DataFrame:
        """One row per template: name, content, variables, category, description."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(_COLUMNS))

    def __iter__(self) -> Iterator[PromptTemplate]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __contains__(self, name: object) -> bool:
        return any(one.name == name for one in self.list())

    def __repr__(self) -> str:
        return f"<TemplateStore: {len(self)} templates, {len(self.variables)} variables>"

    def _repr_html_(self) -> str:
        return style_block() + html_table(_COLUMNS, self._rows())

    def _rows(self) -> _Rows:
        return [
            (one.name, one.content, ", ".join(one.variables), one.category, one.description)
            for one in self.list()
        ]

    def _found(self, template: str | PromptTemplate) -> PromptTemplate:
        return template if isinstance(template, PromptTemplate) else self.get(template)

    def _engine_for(self, overrides: Mapping[str, object]) -> VariableEngine:
        engine = VariableEngine(self.engine.options if self.engine else None)
        given = {name: _text(name, value) for name, value in overrides.items()}
        # Providers of one name take each other's place, so ours have names that nobody else has.
        engine.register_provider(PlaceholderProvider(given, name="template:given"))
        engine.register_provider(self.variables.provider("template:stored"))
        for provider in self.engine.providers if self.engine else ():
            engine.register_provider(provider)
        return engine


def _checked(template: PromptTemplate, resolution: Resolution, strict: bool) -> Resolution:
    missing = [name for name in resolution.unresolved if name in template.variables]
    if strict and missing:
        raise NotFoundError(
            f"The template {template.name!r} needs values for: {', '.join(missing)}.",
            code=VCPErrorCode.VARIABLE_NOT_FOUND,
            where=template.name,
            next_step=f"render(…, {missing[0]}=…), store variables of these names, or strict=False",
            details={"missing": missing},
        )
    return resolution


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InvalidInputError(
        f"The value of a placeholder is text, not {type(value).__name__}.",
        where=name,
        next_step="pass str(value)",
    )


def _names(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",") if name.strip()]
    try:
        names = [bare_name(name) if isinstance(name, str) else name for name in given]
    except TypeError:
        raise InvalidInputError(
            f"{given!r} is no list of names.", where="variables", next_step='give e.g. ["name"]'
        ) from None
    return tuple(dict.fromkeys(checked_name(name, "variables") for name in names))


def _changed(template: PromptTemplate, **values: Any) -> PromptTemplate:
    return PromptTemplate(**{**asdict(template), **values})


def _taken(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"There is a template {name!r} already.",
        where="name",
        next_step="use update(), create(…, replace=True), or another name",
    )
