from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import inspect
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager

import pytest

from vcplab.core.errors import (
    InvalidInputError,
    LoopError,
    MissingDependencyError,
    OperationTimeoutError,
    VCPErrorCode,
)
from vcplab.core.loop import (
    LibraryLoop,
    allow_nested_loops,
    blocking,
    library_loop,
    on_library_loop,
    run,
    submit,
    to_worker,
)

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.fixture
def loop() -> Iterator[LibraryLoop]:
    made = LibraryLoop("test-loop")
    yield made
    made.close()


def python(script: str, *options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
    )


# --- run, submit, close -------------------------------------------------------------------------


async def double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


async def fail() -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError("deep down")


def test_run_returns_the_result_from_the_librarys_thread() -> None:
    async def where() -> str:
        return threading.current_thread().name

    assert run(double(21)) == 42
    assert run(where()) == "vcplab-loop"
    assert run(where()) == "vcplab-loop"


def test_run_works_inside_another_running_loop() -> None:
    async def cell() -> int:
        return run(double(4))

    assert asyncio.run(cell()) == 8


def test_run_takes_any_awaitable() -> None:
    class Later:
        def __await__(self) -> object:
            return double(3).__await__()

    assert run(Later()) == 6


def test_run_refuses_what_it_cannot_await() -> None:
    with pytest.raises(InvalidInputError, match="takes an awaitable, not function"):
        run(double)
    with pytest.raises(InvalidInputError, match="takes a coroutine, not function"):
        submit(double)

    async def cell() -> None:
        with pytest.raises(LoopError, match="another loop"):
            run(asyncio.get_running_loop().create_future())

    asyncio.run(cell())


def test_an_error_arrives_with_the_coroutines_own_frames() -> None:
    with pytest.raises(ZeroDivisionError, match="deep down") as caught:
        run(fail())
    assert "in fail" in "".join(traceback.format_tb(caught.value.__traceback__))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, TimeoutError])
def test_the_loop_survives_what_a_coroutine_raises(
    loop: LibraryLoop, error: type[BaseException]
) -> None:
    async def raises() -> None:
        raise error

    thread = loop.run(asyncio.sleep(0, threading.get_ident()))
    with pytest.raises(error):
        loop.run(raises(), timeout=5)
    assert loop.run(asyncio.sleep(0, thread)) == thread
    assert loop.is_running


def test_timeout_cancels_the_task_and_waits_for_its_finally() -> None:
    log = []

    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0.05)
            log.append("finally")

    with pytest.raises(OperationTimeoutError, match=r"within 0\.05 s") as caught:
        run(slow(), timeout=0.05)
    assert log == ["cancelled", "finally"]
    assert caught.value.code is VCPErrorCode.TIMED_OUT
    assert caught.value.next_step


def test_a_task_that_refuses_to_stop_does_not_hold_up_its_waiter(loop: LibraryLoop) -> None:
    released = threading.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                continue

    start = time.monotonic()
    with pytest.raises(OperationTimeoutError):
        loop.run(stubborn(), timeout=0.01)
    assert time.monotonic() - start < 4
    released.set()


def test_cancelling_a_submitted_job_is_done_after_its_finally(loop: LibraryLoop) -> None:
    log = []
    started = threading.Event()

    async def job() -> None:
        try:
            started.set()
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.05)
            log.append("finally")

    future = loop.submit(job())
    assert started.wait(5)
    assert not future.done()
    assert future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(5)
    assert log == ["finally"]
    assert future.cancelled()
    assert future.cancel()
    finished = loop.submit(double(1))
    finished.result(5)
    assert not finished.cancel()


def test_blocking_on_the_loops_own_thread_is_refused() -> None:
    async def inside() -> None:
        run(double(1))

    with pytest.raises(LoopError, match="library's own loop") as caught:
        run(inside())
    assert caught.value.code is VCPErrorCode.WOULD_BLOCK
    assert caught.value.next_step is not None
    assert caught.value.next_step.startswith("await it")

    async def closes() -> None:
        library_loop().close()

    with pytest.raises(LoopError):
        run(closes())


def test_context_is_inherited_as_a_copy() -> None:
    async def change() -> str:
        before = VARIABLE.get()
        VARIABLE.set("changed inside")
        return before

    token = VARIABLE.set("from the cell")
    try:
        assert run(change()) == "from the cell"
        assert submit(change()).result(5) == "from the cell"
        assert VARIABLE.get() == "from the cell"
        own = contextvars.Context()
        assert submit(change(), context=own).result(5) == "unset"
        assert own[VARIABLE] == "changed inside"
    finally:
        VARIABLE.reset(token)


def test_many_threads_submit_at_once(loop: LibraryLoop) -> None:
    def one_thread(start: int) -> list[int]:
        futures = [loop.submit(double(start + i)) for i in range(200)]
        return [future.result(30) for future in futures]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one_thread, range(0, 1600, 200)))
    assert [x for part in results for x in part] == [2 * x for x in range(1600)]
    assert "0 jobs" in repr(loop)


def test_close_cancels_bounded_and_the_loop_restarts(loop: LibraryLoop) -> None:
    log = []

    async def job() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            log.append("finally")

    async def generator() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            log.append("generator")

    held = generator()

    async def begin() -> int:
        return await anext(held)

    future = loop.submit(job())
    loop.run(begin())
    loop.close()
    assert sorted(log) == ["finally", "generator"]
    assert future.cancelled()
    assert not loop.is_running
    assert loop.run(double(2)) == 4
    loop.close()
    loop.close()


def test_close_gives_up_on_a_loop_that_is_blocked() -> None:
    loop = LibraryLoop("blocked", grace=0.1)
    release = threading.Event()

    async def blocks() -> None:
        release.wait(30)

    waiting = loop.submit(blocks())
    queued = loop.submit(double(1))
    start = time.monotonic()
    loop.close()
    assert time.monotonic() - start < 5
    assert waiting.cancelled()
    assert queued.cancelled()
    release.set()


def test_interrupt_reaches_the_task_and_its_finally_runs() -> None:
    script = """
        import asyncio, sys
        from vcplab.core.loop import run

        async def job():
            try:
                print("ready", flush=True)
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                print("cancelled", flush=True)
                raise
            finally:
                await asyncio.sleep(0.1)
                print("finally", flush=True)

        try:
            run(job())
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        start = time.monotonic()
        process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))
        out, err = process.communicate(timeout=30)
    assert out.split() == ["cancelled", "finally", "interrupted"]
    assert err == ""
    assert time.monotonic() - start < 5


def test_exit_leaves_no_warning() -> None:
    result = python(
        """
        import asyncio
        from contextlib import asynccontextmanager
        from vcplab.core.loop import blocking, run, submit, to_worker

        async def forever():
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0)
                print("finally", flush=True)

        async def numbers():
            try:
                for i in range(10):
                    yield i
            finally:
                print("generator", flush=True)

        @asynccontextmanager
        async def resource():
            try:
                yield 1
            finally:
                print("resource", flush=True)

        import time
        for _ in range(3):
            submit(forever())
        held = blocking(numbers)()
        next(held)
        context = blocking(resource)()
        context.__enter__()
        submit(to_worker(time.sleep, 1000))
        run(asyncio.to_thread(len, ""))
        run(asyncio.sleep(0))
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert result.stderr == ""
    assert result.returncode == 0
    assert sorted(result.stdout.split()) == ["finally"] * 3 + ["generator", "resource"]


def test_a_blocking_call_after_exit_has_begun_works_or_says_so() -> None:
    result = python(
        """
        import asyncio, atexit
        from vcplab.core.errors import LoopError
        from vcplab.core.loop import run

        def late():
            try:
                print(run(asyncio.sleep(0, "worked")))
            except LoopError as error:
                print("refused:", error.next_step)

        atexit.register(late)  # runs after the hook that the next line registers
        run(asyncio.sleep(0))
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert result.stderr == ""
    assert result.stdout.startswith(("worked", "refused: Close what"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_starts_afresh_and_leaves_the_parent_alone() -> None:
    result = python(
        """
        import asyncio, gc, os, sys, threading, time
        from vcplab.core.loop import blocking, library_loop, run, submit, to_worker

        async def double(x):
            await asyncio.sleep(0)
            return 2 * x

        async def numbers():
            try:
                yield 1
                yield 2
            finally:
                print("finally in", os.getpid() - parent, flush=True)

        parent = os.getpid()
        library = library_loop()
        run(double(1))
        run(to_worker(len, ""))
        pending = submit(asyncio.sleep(0.5, "parent"))
        held = blocking(numbers)()
        next(held)
        # Another thread holds the lock in the moment of the fork.
        locked, release = threading.Event(), threading.Event()
        def hold():
            with library._lock:
                locked.set()
                release.wait()
        threading.Thread(target=hold, daemon=True).start()
        locked.wait()
        pid = os.fork()
        if pid == 0:
            assert not library_loop().is_running
            assert library_loop() is library
            assert run(double(2), timeout=10) == 4
            assert library.run(double(3), timeout=10) == 6
            assert run(to_worker(len, "four"), timeout=10) == 4
            assert pending.cancel()
            held.close()
            del held, pending
            gc.collect()
            print("child", flush=True)
            sys.exit(0)
        release.set()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert run(double(5), timeout=10) == 10
        assert pending.result(10) == "parent"
        assert next(held) == 2
        held.close()
        print("parent", flush=True)
        """,
        "-X",
        "dev",
        "-W",
        "error",
        "-W",
        "ignore:This process:DeprecationWarning",
    )
    assert result.stderr == ""
    assert result.stdout.split("\n") == ["child", "finally in 0", "parent", ""]


# --- workers ------------------------------------------------------------------------------------


def test_to_worker_runs_elsewhere_in_the_callers_context() -> None:
    def work(x: int, *, y: int) -> tuple[int, str, str]:
        return x + y, VARIABLE.get(), threading.current_thread().name

    token = VARIABLE.set("cell")
    try:
        total, value, name = run(to_worker(work, 1, y=2))
    finally:
        VARIABLE.reset(token)
    assert (total, value) == (3, "cell")
    assert name.startswith("vcplab-worker-")
    assert asyncio.run(to_worker(work, 1, y=1))[0] == 2  # on any loop


def test_to_worker_delivers_errors_even_stop_iteration() -> None:
    def stops() -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        run(to_worker(stops), timeout=10)
    with pytest.raises(ZeroDivisionError):
        run(to_worker(divmod, 1, 0), timeout=10)
    with pytest.raises(SystemExit):
        run(to_worker(sys.exit, 3), timeout=10)
    with pytest.raises(InvalidInputError, match="not a coroutine function"):
        run(to_worker(double, 1), timeout=10)


def test_workers_that_wait_for_workers_do_not_use_up_the_pool() -> None:
    def outer(depth: int) -> int:
        return 1 + (run(to_worker(outer, depth - 1)) if depth else 0)

    async def many() -> list[int]:
        return await asyncio.gather(*(to_worker(outer, 2) for _ in range(60)))

    assert run(many(), timeout=60) == [3] * 60


def test_the_pool_is_bounded() -> None:
    names = set()

    def work() -> None:
        names.add(threading.current_thread().name)
        time.sleep(0.002)

    async def many() -> None:
        await asyncio.gather(*(to_worker(work) for _ in range(300)))

    run(many(), timeout=60)
    assert 1 < len(names) <= 32


# --- blocking twins -----------------------------------------------------------------------------


class Client:
    log: list[str]

    def __init__(self) -> None:
        self.log = []

    async def acall(self, x: int, *, times: int = 1) -> str:
        """Call it.

        With details.
        """
        await asyncio.sleep(0)
        return f"client {x * times}"

    call = blocking(acall)
    ask = blocking(acall, name="inquire")

    async def aitems(self, n: int) -> AsyncIterator[int]:
        """Count."""
        try:
            async with asyncio.timeout(60):  # insists on being left in the task that entered it
                token = VARIABLE.set("inside")  # insists on one context
                for i in range(n):
                    self.log.append(f"make {i}")
                    yield i
                VARIABLE.reset(token)
        finally:
            await asyncio.sleep(0)
            self.log.append("closed")

    items = blocking(aitems)

    async def aecho(self) -> AsyncGenerator[str, str]:
        received = "start"
        while received != "stop":
            try:
                received = yield received
            except KeyError:
                received = "caught KeyError"

    echo = blocking(aecho)

    @asynccontextmanager
    async def aopen(self, name: str) -> AsyncIterator[str]:
        """Open it."""
        self.log.append("enter")
        task = asyncio.current_task()
        try:
            yield name.upper()
        except ValueError as error:
            self.log.append(f"swallowed {error}")
        finally:
            assert asyncio.current_task() is task
            self.log.append("exit")

    open = blocking(aopen)

    def aborrow(self) -> AbstractAsyncContextManager[str]:
        return self.aopen("borrowed")

    borrow = blocking(aborrow)

    @classmethod
    async def aload(cls, x: int) -> str:
        return f"{cls.__name__} {x}"

    load = blocking(aload)

    @staticmethod
    async def aping(x: int) -> int:
        return x

    ping = blocking(aping)


class Special(Client):
    async def acall(self, x: int, *, times: int = 1) -> str:
        return "special"

    @staticmethod
    async def aping(x: int) -> int:
        return -x


def test_twin_of_a_coroutine_method() -> None:
    assert Client().call(2, times=3) == "client 6"
    assert Special().call(2) == "special"
    assert Client.call(Special(), 2) == "client 2"  # the class was named
    bound = Client().call
    assert bound(1) == "client 1"
    with pytest.raises(TypeError):
        Client().call()


def test_twin_of_class_and_static_methods() -> None:
    assert Client.load(1) == "Client 1"
    assert Special.load(1) == "Special 1"
    assert Special().load(2) == "Special 2"
    assert (Client.ping(1), Client().ping(2), Special.ping(3)) == (1, 2, -3)


def test_twin_of_a_function_of_a_bound_method_and_of_a_foreign_function() -> None:
    twin = blocking(double)
    assert twin(4) == 8
    assert (twin.__name__, blocking(double, name="twice").__name__) == ("double", "twice")
    assert blocking(Special().acall)(1) == "special"

    async def helper(self: object, x: int) -> int:
        return x

    class Other:
        method = blocking(helper, name="method")

    assert Other().method(7) == 7


def test_twin_describes_itself() -> None:
    assert Client.call.__name__ == Client().call.__name__ == "call"
    assert Client.call.__qualname__ == "Client.call"
    assert Client.ask.__name__ == "inquire"
    assert Client().call.__doc__ == "Call it.\n\nBlocking twin of `acall`."
    assert Client().call.__module__ == __name__
    assert str(inspect.signature(Client().call)) == "(x: 'int', *, times: 'int' = 1) -> 'str'"
    assert list(inspect.signature(Client.call).parameters) == ["self", "x", "times"]
    assert inspect.signature(Client.items).return_annotation == "Iterator[int]"
    assert inspect.signature(Client.open).return_annotation == "ContextManager[str]"
    assert inspect.signature(Client().borrow).return_annotation == "ContextManager[str]"
    assert list(inspect.signature(Client.load).parameters) == ["x"]
    assert not inspect.iscoroutinefunction(Client.call)
    assert inspect.isroutine(Client.call)
    assert pickle.loads(pickle.dumps(Client.call)) is Client.call
    assert "Client.call" in repr(Client.call)


def test_signature_of_evaluated_annotations() -> None:
    async def generator():
        yield 1

    def coroutine():
        return double(1)

    generator.__annotations__["return"] = AsyncIterator[int]
    coroutine.__annotations__["return"] = Awaitable[int]
    assert inspect.signature(blocking(generator)).return_annotation == Iterator[int]
    assert inspect.signature(blocking(coroutine)).return_annotation is int
    assert blocking(coroutine)() == 2
    manager = asynccontextmanager(generator)
    assert inspect.signature(blocking(manager)).return_annotation == AbstractContextManager[int]


def test_twin_of_an_async_generator_pulls_on_demand() -> None:
    client = Client()
    items = client.items(3)
    assert client.log == []
    assert next(items) == 0
    time.sleep(0.05)
    assert client.log == ["make 0"]
    assert list(items) == [1, 2]
    assert client.log == ["make 0", "make 1", "make 2", "closed"]
    assert list(client.items(0)) == []


def test_closing_the_twin_early_closes_the_generator() -> None:
    client = Client()
    items = client.items(3)
    next(items)
    items.close()
    assert client.log == ["make 0", "closed"]
    for _ in client.items(3):
        break
    gc.collect()
    assert client.log == ["make 0", "closed"] * 2


def test_send_and_throw_reach_the_generator() -> None:
    echo = Client().echo()
    assert next(echo) == "start"
    assert echo.send("hello") == "hello"
    assert echo.throw(KeyError("x")) == "caught KeyError"
    with pytest.raises(StopIteration):
        echo.send("stop")
    other = Client().echo()
    next(other)
    with pytest.raises(ZeroDivisionError):
        other.throw(ZeroDivisionError())


def test_an_error_in_a_generator_or_in_its_finally_arrives() -> None:
    async def breaks() -> AsyncIterator[int]:
        try:
            yield 1
            raise ZeroDivisionError
        finally:
            raise OSError("in finally")

    items = blocking(breaks)()
    assert next(items) == 1
    with pytest.raises(OSError, match="in finally"):
        next(items)
    items = blocking(breaks)()
    next(items)
    with pytest.raises(OSError, match="in finally"):
        items.close()


def test_a_generator_dropped_on_the_loops_thread_is_closed() -> None:
    client = Client()
    held = [client.items(3)]
    next(held[0])

    async def drop() -> None:
        held.clear()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if "closed" in client.log:
                return

    run(drop(), timeout=10)
    assert client.log[-1] == "closed"


def test_a_generator_whose_loop_was_closed_says_so() -> None:
    client = Client()
    items = client.items(3)
    next(items)
    library_loop().close()
    assert client.log[-1] == "closed"
    with pytest.raises(LoopError, match="closed while"):
        next(items)


def test_twin_of_a_context_manager() -> None:
    client = Client()
    with client.open("a") as name:
        assert name == "A"
        client.log.append("body")
    assert client.log == ["enter", "body", "exit"]
    with client.borrow() as name:
        assert name == "BORROWED"


def test_exceptions_go_into_the_context_and_suppression_is_honoured() -> None:
    client = Client()
    with client.open("a"):
        raise ValueError("bad")
    assert client.log == ["enter", "swallowed bad", "exit"]
    with pytest.raises(KeyError, match="good"), client.open("a"):
        raise KeyError("good")
    assert client.log[3:] == ["enter", "exit"]


def test_an_error_while_entering_arrives() -> None:
    @asynccontextmanager
    async def abroken() -> AsyncIterator[None]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError), blocking(abroken)():
        pass


def test_twins_refuse_the_loops_own_thread_without_leftovers() -> None:
    client = Client()
    made = client.items(2)

    async def inside() -> list[LoopError]:
        errors = []
        for attempt in (
            lambda: client.call(1),
            lambda: client.items(1),
            lambda: client.open("x"),
        ):
            with pytest.raises(LoopError) as caught:
                attempt()
            errors.append(caught.value)
        return errors

    errors = run(inside())
    assert errors[0].next_step == "await it: `await acall(…)`."
    assert next(made) == 0
    made.close()


def test_blocking_refuses_what_is_not_asynchronous() -> None:
    with pytest.raises(InvalidInputError, match="nothing asynchronous"):
        blocking(len)("x")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one's own process")
def test_interrupting_a_generator_ends_it() -> None:
    log = []

    async def slow() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            log.append("finally")

    items = blocking(slow)()
    next(items)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(items)
    timer.join()
    assert log == ["finally"]
    with pytest.raises(StopIteration):
        next(items)


# --- hopping ------------------------------------------------------------------------------------


class Hopper:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.threads: set[str] = set()
        self.begun = threading.Event()

    def note(self, what: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.log.append(what)

    @on_library_loop
    async def acall(self, x: int) -> str:
        """Call it."""
        self.note("call")
        return f"{x} {VARIABLE.get()}"

    call = blocking(acall)

    @on_library_loop
    async def asleep(self, seconds: float) -> None:
        try:
            self.note("begin")
            self.begun.set()
            await asyncio.sleep(seconds)
        finally:
            await asyncio.sleep(0.05)
            self.note("finally")

    @on_library_loop
    async def afail(self) -> None:
        raise ZeroDivisionError

    @on_library_loop
    async def aitems(self, n: int) -> AsyncIterator[int]:
        try:
            async with asyncio.timeout(60):
                for i in range(n):
                    self.note(f"make {i}")
                    yield i
        finally:
            self.note("closed")

    items = blocking(aitems)

    @on_library_loop
    @asynccontextmanager
    async def aopen(self) -> AsyncIterator[str]:
        self.note("enter")
        try:
            yield "value"
        except ValueError:
            self.note("swallowed")
        finally:
            self.note("exit")

    open = blocking(aopen)


def test_awaited_from_another_loop_it_hops() -> None:
    hopper = Hopper()

    async def cell() -> None:
        VARIABLE.set("cell")
        assert await hopper.acall(1) == "1 cell"
        with pytest.raises(ZeroDivisionError):
            await hopper.afail()
        assert [i async for i in hopper.aitems(2)] == [0, 1]
        async with hopper.aopen() as value:
            assert value == "value"
            raise ValueError
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(cell())
    assert hopper.threads == {"vcplab-loop"}
    assert hopper.log == [
        "call", "make 0", "make 1", "closed", "enter", "swallowed", "exit",
    ]  # fmt: skip


def test_on_the_librarys_loop_it_runs_natively_in_the_callers_task() -> None:
    tasks = []

    @on_library_loop
    async def whose() -> None:
        tasks.append(asyncio.current_task())

    async def inside() -> None:
        tasks.append(asyncio.current_task())
        await whose()

    run(inside())
    assert tasks[0] is tasks[1]
    hopper = Hopper()
    assert hopper.call(3) == "3 unset"
    assert list(hopper.items(2)) == [0, 1]
    with hopper.open():
        raise ValueError
    assert hopper.log[-3:] == ["enter", "swallowed", "exit"]


def test_cancelling_the_awaiting_task_cancels_the_work_and_waits_for_it() -> None:
    hopper = Hopper()

    async def cell() -> None:
        task = asyncio.create_task(hopper.asleep(30))
        assert await asyncio.to_thread(hopper.begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert hopper.log == ["begin", "finally"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await hopper.asleep(30)
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(cell())


def test_cancelling_the_work_cancels_the_awaiting_task() -> None:
    @on_library_loop
    async def suicide() -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(1)

    async def cell() -> None:
        with pytest.raises(asyncio.CancelledError):
            await suicide()

    asyncio.run(cell())


def test_what_the_work_makes_of_its_cancellation_is_delivered() -> None:
    begun = threading.Event()

    @on_library_loop
    async def persists() -> str:
        begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "saved"
        return "never"

    async def cell() -> str:
        task = asyncio.create_task(persists())
        assert await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        return await task

    assert asyncio.run(cell()) == "saved"


def test_a_hopped_generator_left_early_or_cancelled_is_closed() -> None:
    hopper = Hopper()

    async def cell() -> None:
        items = hopper.aitems(3)
        assert await anext(items) == 0
        await items.aclose()
        assert hopper.log == ["make 0", "closed"]

    asyncio.run(cell())

    @on_library_loop
    async def slow() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(30)
        finally:
            hopper.note("cancelled")

    async def collect() -> list[int]:
        return [i async for i in slow()]

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(collect(), 0.1))
    assert hopper.log[-1] == "cancelled"
    assert hopper.threads == {"vcplab-loop"}


def test_the_hop_keeps_what_the_method_is() -> None:
    assert inspect.iscoroutinefunction(Hopper.acall)
    assert inspect.isasyncgenfunction(Hopper.aitems)
    assert Hopper.acall.__doc__ == "Call it."
    assert inspect.signature(Hopper.open).return_annotation == "ContextManager[str]"
    with pytest.raises(InvalidInputError, match="below @classmethod"):
        on_library_loop(classmethod(double))


# --- nested loops -------------------------------------------------------------------------------


def test_allow_nested_loops_is_an_opt_in() -> None:
    result = python(
        """
        import asyncio, sys
        import vcplab.core.loop as loop
        loop.run(asyncio.sleep(0))
        assert "nest_asyncio2" not in sys.modules and "nest_asyncio" not in sys.modules

        async def inner():
            return 5

        async def cell():
            return asyncio.run(inner())

        loop.allow_nested_loops()
        print(asyncio.run(cell()), loop.run(asyncio.sleep(0, 6)))
        """
    )
    assert result.stdout.split() == ["5", "6"], result.stderr


def test_allow_nested_loops_names_the_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nest_asyncio2", None)
    with pytest.raises(MissingDependencyError, match="nest-asyncio2"):
        allow_nested_loops()
