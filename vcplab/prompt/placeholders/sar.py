"""Prompts for certain models only: ``{{SarPromptN}}`` and ``{{SarPromptAll}}``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from vcplab.core.errors import InvalidDataError

__all__ = ["SarPrompt", "current_model", "read_sar_prompts", "sar_from_variables", "use_model"]

_model: ContextVar[str | None] = ContextVar("vcplab_prompt_model", default=None)


def current_model() -> str | None:
    """The model for which prompts are made here: the innermost `use_model`, else None."""
    return _model.get()


@contextmanager
def use_model(model: str | None) -> Iterator[str | None]:
    """Make prompts for a model in a block.

    Args:
        model: Its name, as it goes into a request.

    Yields:
        The same name.
    """
    token = _model.set(model)
    try:
        yield model
    finally:
        _model.reset(token)


@dataclass(frozen=True, slots=True)
class SarPrompt:
    """A prompt and the models that it is for.

    Attributes:
        prompt_key: The placeholder, e.g. ``SarPrompt1``.
        models: Names of models.
        content: The prompt, or the name of a ``.txt`` file.
        match_mode: ``"exact"``: a model has one of the names; ``"includes"``: its name holds one.
            Case makes no difference.
    """

    prompt_key: str
    models: tuple[str, ...]
    content: str
    match_mode: Literal["exact", "includes"] = "exact"

    def fits(self, model: str | None) -> bool:
        """Whether it is for a model.

        Args:
            model: The model; none fits None.
        """
        if not model:
            return False
        name = model.strip().casefold()
        wanted = [one.strip().casefold() for one in self.models]
        if self.match_mode == "exact":
            return name in wanted
        return any(one and one in name for one in wanted)


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    promptKey: str
    models: list[str] = []
    content: str = ""
    matchMode: Literal["exact", "includes"] = "exact"

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value


_ROWS: TypeAdapter[list[_Row]] = TypeAdapter(list[_Row])


def read_sar_prompts(source: str | Path | Iterable[Mapping[str, Any]]) -> tuple[SarPrompt, ...]:
    """Read prompts for models.

    Args:
        source: The path of a ``sarprompt.json``, or its rows
            ``{"promptKey", "models", "content", "matchMode"}`` (facts/vcp-protocol §3).

    Returns:
        The prompts in order.

    Raises:
        InvalidDataError: The file cannot be read, is no JSON, or a row is broken.
    """
    where = "sar"
    rows: Any
    if isinstance(source, str | Path):
        where = str(source)
        try:
            rows = json.loads(Path(source).read_text("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidDataError(
                f"The file of model prompts cannot be read: {error}.",
                where=where,
                next_step='write a JSON list of {"promptKey", "models", "content", "matchMode"}',
            ) from error
    else:
        rows = [dict(row) if isinstance(row, Mapping) else row for row in source]
    try:
        checked = _ROWS.validate_python(rows)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InvalidDataError(
            f"The model prompts are broken at {place}: {first['msg']}.",
            where=where,
            next_step='a row is {"promptKey": "SarPrompt1", "models": ["…"], "content": "…", '
            '"matchMode": "exact" or "includes"}',
        ) from error
    return tuple(
        SarPrompt(row.promptKey, tuple(row.models), row.content, row.matchMode) for row in checked
    )


def sar_from_variables(variables: Mapping[str, str]) -> tuple[SarPrompt, ...]:
    """Prompts in the older form, ``SarModelN`` and ``SarPromptN`` among the variables.

    Args:
        variables: Names → values; the models of one prompt are separated by commas.

    Returns:
        The prompts in order.
    """
    return tuple(
        SarPrompt(key, tuple(variables.get(f"SarModel{key[9:]}", "").split(",")), content)
        for key, content in variables.items()
        if key.startswith("SarPrompt") and key[9:].isdecimal()
    )
