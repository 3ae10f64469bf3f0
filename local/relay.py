"""Ports of 127.0.0.1 on one more address of this machine, for containers, which cannot reach 127.0.0.1."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping

from local.children import LOCAL_HOST

_CHUNK = 65536
_SECONDS = 10.0


@contextlib.contextmanager
def relaying(address: str, ports: Collection[int]) -> Iterator[None]:
    """Passes on what comes to some ports of an address, until the context is left.

    Args:
        address: An address of this machine, such as the gateway of the engine's bridge.
        ports: Ports that something listens on at 127.0.0.1; the same ones are taken at the address.

    Raises:
        OSError: The address is not this machine's, or a port is taken there.
    """
    with contextlib.ExitStack() as exits:
        taken = {
            port: exits.enter_context(contextlib.closing(socket.create_server((address, port))))
            for port in ports
        }
        loop = exits.enter_context(_loop())
        servers = asyncio.run_coroutine_threadsafe(_open(taken), loop).result(_SECONDS)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(_close(servers), loop).result(_SECONDS)


@contextlib.contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _open(taken: Mapping[int, socket.socket]) -> list[asyncio.Server]:
    return [await asyncio.start_server(_relay_to(port), sock=listener) for port, listener in taken.items()]


async def _close(servers: list[asyncio.Server]) -> None:
    for server in servers:
        server.close()
    # What is still being passed on ends, too.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _relay_to(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def relay(asking: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        with contextlib.closing(answering), contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(LOCAL_HOST, port)
            with contextlib.closing(writer):
                await asyncio.gather(_pass_on(asking, writer), _pass_on(reader, answering))

    return relay


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # Who has nothing more to say wants no answer either: HTTP's clients close when they have it.
    with contextlib.closing(writer):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
