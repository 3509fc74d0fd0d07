"""The ground floor: what every other room rests on, and nothing that knows of them.

Modules:
    errors: The one exception tree; every error says what, where and what to do next.
    clock: Where every date comes from; frozen in tests and replays.
    settings: Defaults, files, environment and keywords, with the source of each value shown.
    loop: The library's one asyncio loop and the blocking twins of asynchronous methods.
    events: Typed frozen events, handlers and bounded streams.
    trace: Spans over threads, tasks and processes, with W3C trace ids.
    store: SQLite and content-addressed blobs.
    workspace: A lab's folder, its schema version and its lock.
    display: Views found by name; escaped static HTML and aligned text tables.
"""
