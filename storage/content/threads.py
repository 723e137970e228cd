"""Blocking work on files and sockets, kept off the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import ParamSpec, TypeVar

CHUNK = 128 << 10
"""Bytes that are read at once. Two such pieces wait in memory for each client that is slow."""

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


async def to_its_end(
    work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Run `work` in a thread. A caller that is cancelled waits for it all the same: a thread cannot be stopped, and
    must not go on writing behind the back of whoever comes next.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _settled(task)
        raise


async def read_ahead(read: Callable[[int], bytes], length: int) -> AsyncGenerator[bytes, None]:
    """The next `length` bytes, fewer if there are no more; while one chunk is used, the next is being read."""
    ahead = asyncio.ensure_future(asyncio.to_thread(read, min(CHUNK, length)))
    try:
        while chunk := await asyncio.shield(ahead):
            length -= len(chunk)
            ahead = asyncio.ensure_future(asyncio.to_thread(read, min(CHUNK, length)))
            yield chunk
    finally:
        await _settled(ahead)


async def _settled(task: "asyncio.Task[Result]") -> None:
    """Wait for a task whose answer, good or bad, nobody wants any more."""
    await asyncio.wait([task])
    task.exception()
