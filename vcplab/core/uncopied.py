"""Objects that are one: they cannot be copied or pickled, and say what to do instead."""

from __future__ import annotations

from typing import ClassVar, Never, SupportsIndex

from vcplab.core.errors import StateError

__all__ = ["Uncopied"]


class Uncopied:
    """Base of what holds a file, a lock or a conversation, of which a copy would be a second owner.

    Raises:
        StateError: It is to be copied or pickled.
    """

    #: What to do instead of copying.
    _instead: ClassVar[str] = "use the object itself"

    def _refuse_copy(self) -> Never:
        name = type(self).__name__
        raise StateError(
            f"A {name} cannot be copied or pickled.", where=name, next_step=self._instead
        )

    def __copy__(self) -> Never:
        self._refuse_copy()

    def __deepcopy__(self, memo: object) -> Never:
        self._refuse_copy()

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        self._refuse_copy()
