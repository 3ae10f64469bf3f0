"""What browser tests of the local run share: servers in threads, and a Chromium that reports its troubles."""

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp


@contextlib.contextmanager
def served(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def listeners(*names: str) -> Iterator[Mapping[str, socket.socket]]:
    with contextlib.ExitStack() as exits:
        yield {name: exits.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with (
        playwright.sync_playwright() as player,
        player.chromium.launch(executable_path=path, args=["--no-sandbox"]) as browser,
    ):
        yield browser


def last_click(button: Any) -> None:
    """Clicks what closes its own window, which may be gone before the click is confirmed."""
    from playwright.sync_api import Error  # noqa: PLC0415 - may not be there, see `chromium`

    try:
        button.click()
    except Error:
        if not button.page.is_closed():
            raise


def watch(page: Any, troubles: list[str]) -> None:
    """Collects what a page throws and what its policy refuses."""
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "console",
        lambda message: troubles.append(message.text) if "Content Security Policy" in message.text else None,
    )
