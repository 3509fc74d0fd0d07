"""Placeholders that the user sets."""

from __future__ import annotations

from collections.abc import Mapping

from vcplab.core.errors import InvalidInputError
from vcplab.prompt.placeholders.syntax import checked_name

__all__ = ["PlaceholderProvider"]


class PlaceholderProvider:
    """``PlaceholderProvider`` of seed 003: values by name. Empty text is a value.

    ::

        provider = PlaceholderProvider()
        provider.set_placeholder("AppName", "My App")

    Args:
        placeholders: Values to begin with.
        name: What the provider is called; give the second one of an engine another name.

    Raises:
        InvalidInputError: A name or a value is impossible.
    """

    def __init__(
        self, placeholders: Mapping[str, str] | None = None, *, name: str = "placeholder"
    ) -> None:
        self.name = name
        self._values: dict[str, str] = {}
        self.set_placeholders(placeholders or {})

    def set_placeholder(self, key: str, value: str) -> None:
        """Set a value (``setPlaceholder``).

        Args:
            key: The name, without braces.
            value: The value; placeholders in it are resolved, too.

        Raises:
            InvalidInputError: The name is impossible, or the value is no text.
        """
        self.set_placeholders({key: value})

    def set_placeholders(self, values: Mapping[str, str]) -> None:
        """Set several values (``setPlaceholders``); none is set where one is impossible.

        Args:
            values: Names without braces → values.

        Raises:
            InvalidInputError: A name is impossible, or a value is no text.
        """
        for key, value in values.items():
            checked_name(key)
            if not isinstance(value, str):
                raise InvalidInputError(
                    f"The value of a placeholder is text, not {type(value).__name__}.",
                    where=key,
                    next_step="pass str(value)",
                )
        self._values.update(values)

    def get_placeholder(self, key: str) -> str | None:
        """The value as it was set, or None (``getPlaceholder``).

        Args:
            key: The name.
        """
        return self._values.get(key)

    def delete_placeholder(self, key: str) -> bool:
        """Remove a value (``deletePlaceholder``).

        Args:
            key: The name.

        Returns:
            Whether there was one.
        """
        return self._values.pop(key, None) is not None

    def clear_placeholders(self) -> None:
        """Remove all values (``clearPlaceholders``)."""
        self._values.clear()

    def get_all_placeholders(self) -> dict[str, str]:
        """All values as they were set (``getAllPlaceholders``); a copy."""
        return dict(self._values)

    def names(self) -> list[str]:
        """The placeholders that have a value."""
        return list(self._values)

    def resolve(self, key: str) -> str | None:
        """The value of a placeholder, or None.

        Args:
            key: Its name.
        """
        return self._values.get(key)

    def __repr__(self) -> str:
        return f"PlaceholderProvider({len(self._values)} placeholders)"
