"""The variables of a real server: ``Tar*``, ``Var*`` and ``SarPrompt*``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from vcplab.core.dotenv import parse_dotenv
from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.prompt.placeholders.provider import Resolved
from vcplab.prompt.placeholders.sar import (
    SarPrompt,
    current_model,
    read_sar_prompts,
    sar_from_variables,
)

__all__ = ["PromptVariables"]

_PREFIXES: Final = ("Tar", "Var")
_ALL: Final = "SarPromptAll"


class PromptVariables:
    """``Tar*``, ``Var*`` and ``SarPrompt*`` as the real server resolves them.

    The rules are those of facts/vcp-protocol §3:

    - Every setting whose name begins with ``Tar`` or ``Var`` is a placeholder. An empty one gives
      ``[未配置 NAME]``; one that is not there stays as it is.
    - A value that ends in ``.txt`` is the name of a file in the folder; the file's text takes its
      place, and the placeholders in it are resolved.
    - In any other value, placeholders of this provider stay as they are. Those of others are
      resolved, since the server comes to dates, tools and results after its variables.
    - ``{{SarPromptN}}`` is its content where the model fits, else empty; ``{{SarPromptAll}}`` is
      all that fit, one per line. They come before ``Tar`` and ``Var``, so those are resolved in it.

    Files are read when they are needed, so an edit shows in the next text.

    Args:
        source: Settings by name, or the path of a ``config.env``.
        folder: Where the ``.txt`` files are; None means ``TVStxt`` next to the ``config.env``.
        sar: Rows or the path of a ``sarprompt.json``; None means the file next to the
            ``config.env``, if there is one. Settings ``SarModelN`` and ``SarPromptN`` are the
            older form; they count where no row has their name.
        model: The model that prompts are for; None means the one in force (`use_model`).
        name: What the provider is called.

    Raises:
        NotFoundError: There is no such ``config.env``.
        InvalidDataError: A file is broken.
        InvalidInputError: A setting is no text.
    """

    def __init__(
        self,
        source: Mapping[str, str] | str | os.PathLike[str],
        folder: str | os.PathLike[str] | None = None,
        *,
        sar: Iterable[Mapping[str, Any]] | str | os.PathLike[str] | None = None,
        model: str | None = None,
        name: str = "variables",
    ) -> None:
        self.name = name
        self.model = model
        self._values: dict[str, str] = {}
        near: Path | None = None
        if isinstance(source, Mapping):
            for key, value in source.items():
                if not isinstance(value, str):
                    raise InvalidInputError(
                        f"A variable is text, not {type(value).__name__}.",
                        where=str(key),
                        next_step="pass str(value), or '' for one that is not configured",
                    )
                self._values[key] = value
        else:
            near = Path(source).parent
            self._values = parse_dotenv(_text_of(Path(source)))
        if folder is None and near is not None:
            folder = near / "TVStxt"
        self._folder = None if folder is None else Path(folder)
        if sar is None and near is not None and (near / "sarprompt.json").is_file():
            sar = near / "sarprompt.json"
        if isinstance(sar, os.PathLike):
            sar = os.fspath(sar)
        rows = () if sar is None else read_sar_prompts(sar)
        keys = {row.prompt_key for row in rows}
        older = (row for row in sar_from_variables(self._values) if row.prompt_key not in keys)
        self._sar: tuple[SarPrompt, ...] = (*rows, *older)

    def names(self) -> list[str]:
        """The placeholders that are configured."""
        plain = [key for key in self._values if key.startswith(_PREFIXES)]
        sar = list(dict.fromkeys(row.prompt_key for row in self._sar))
        return plain + (sar and [*sar, _ALL])

    def resolve(self, key: str) -> Resolved | None:
        """The value of a placeholder, or None.

        Args:
            key: Its name.

        Raises:
            NotFoundError: The file that it names is missing, or no folder was given.
            InvalidInputError: The file is outside the folder.
            InvalidDataError: The file is no text in UTF-8.
        """
        if key.startswith("SarPrompt"):
            return self._sar_prompt(key)
        if not key.startswith(_PREFIXES) or key not in self._values:
            return None
        value = self._values[key]
        if not value.strip():
            return Resolved(f"[未配置 {key}]", recurse=False)
        if _is_file(value):
            return Resolved(self._file(key, value.strip()))
        return Resolved(value, recurse="others")

    def _sar_prompt(self, key: str) -> Resolved | None:
        rows = [row for row in self._sar if key in (_ALL, row.prompt_key)]
        if not rows:
            return None
        model = self.model or current_model()
        texts = [
            self._file(row.prompt_key, row.content.strip())
            if _is_file(row.content)
            else row.content
            for row in rows
            if row.fits(model)
        ]
        return Resolved("\n".join(text for text in texts if text))

    def _file(self, key: str, name: str) -> str:
        if self._folder is None:
            raise NotFoundError(
                f"{key} names the file {name!r}, but no folder was given.",
                where="folder",
                next_step="PromptVariables(…, folder='TVStxt')",
            )
        root = Path(os.path.realpath(self._folder))
        # A backslash divides folders in a config.env from Windows.
        path = Path(os.path.realpath(root / name.replace("\\", "/")))
        if not path.is_relative_to(root):
            raise InvalidInputError(
                f"{key} names the file {name!r}, which is outside its folder.",
                where=str(root),
                next_step="put the file into the folder and name it without '..'",
            )
        return _text_of(path)

    def __repr__(self) -> str:
        return f"PromptVariables({len(self.names())} placeholders)"


def _is_file(value: str) -> bool:
    value = value.strip()
    return value.lower().endswith(".txt") and "\n" not in value


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no file {path.name!r}.",
            where=str(path.parent),
            next_step="create it, or change the setting that names it",
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidDataError(
            f"The file {path.name!r} cannot be read: {error}.",
            where=str(path),
            next_step="save it as text in UTF-8",
        ) from error
