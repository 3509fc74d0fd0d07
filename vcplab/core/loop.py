"""One loop: I/O lives on one library-owned daemon thread with one asyncio loop.

A method that does I/O is written once, asynchronously, and gets its blocking, interruptible twin
from one helper::

    class Client:
        @on_library_loop                      # awaited in a cell, it hops to the library's loop
        async def afetch(self, url: str) -> bytes: ...

        fetch = blocking(afetch)              # called in a cell, ■ stops it

    data = run(client.afetch("…"))            # the same for any awaitable, from any thread
    job = submit(client.afetch("…"))          # a concurrent.futures.Future; its prints land under
    this cell

The kernel's own loop is never patched (see `allow_nested_loops`).
"""

from __future__ import annotations

from vcplab.core._loop.hops import on_library_loop
from vcplab.core._loop.library import (
    LibraryLoop,
    allow_nested_loops,
    library_loop,
    run,
    submit,
    to_worker,
)
from vcplab.core._loop.twins import blocking

__all__ = [
    "LibraryLoop",
    "allow_nested_loops",
    "blocking",
    "library_loop",
    "on_library_loop",
    "run",
    "submit",
    "to_worker",
]
