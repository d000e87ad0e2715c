"""The server of the page: on this machine alone unless it is told otherwise, and asking nobody for anything."""

from __future__ import annotations

import os
import socket
import threading
from types import ModuleType

from flowdis.app.editor import Editor
from flowdis.app.markup import asset
from flowdis.app.page import build_page

__all__ = ["need_gradio", "serve", "start"]


def need_gradio() -> ModuleType:
    """The library that the page is made with, told to be silent before it is imported.

    Raises:
        ImportError: if it is not installed.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio
    except ModuleNotFoundError as error:
        raise ImportError("the page needs gradio: pip install 'flowdis[app]'") from error
    return gradio


def start(
    editor: Editor, *, host: str = "127.0.0.1", port: int = 7860, open_browser: bool = False
) -> tuple[object, str]:
    """Starts to serve in threads of its own, and returns the page, to be closed, and its address.

    Arguments:
        editor: What the page edits with.
        host: The address to listen at.
        port: The port; 0 for any free one.
        open_browser: Whether to open the page in a browser.

    Raises:
        ImportError: if gradio is not installed.
        OSError: if the port is taken.
    """
    gradio = need_gradio()
    page = build_page(editor)
    system = ("system-ui", "-apple-system", "Segoe UI", "sans-serif")
    theme = gradio.themes.Base(font=system, font_mono=("ui-monospace", "Consolas", "monospace"))
    _, address, _ = page.launch(
        server_name=host,
        server_port=_free_port(host, port),
        inbrowser=open_browser,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        footer_links=[],
        enable_monitoring=False,
        max_file_size=0,
        theme=theme,
        css=asset("page.css"),
    )
    return page, address


def serve(editor: Editor, *, host: str = "127.0.0.1", port: int = 7860, open_browser: bool = False) -> None:
    """Serves the page until it is interrupted, and prints its address; see `start`."""
    page, address = start(editor, host=host, port=port, open_browser=open_browser)
    print(address, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        page.close()  # type: ignore[attr-defined]


def _free_port(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"`port` must be free at {host}, got {port}: {error.strerror or error}") from error
        return int(probe.getsockname()[1])
