"""`flowdis app`: the page on which images are edited, in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowdis.app.editor import load_model, make_editor
from flowdis.app.serve import need_gradio, serve
from flowdis.cli.options import pick_device

__all__ = ["App"]

_PORTS = 65536


@dataclass(frozen=True)
class App:
    """Serves a page on which images are edited by sliders, until it is interrupted.

    The page asks for nothing outside of this machine.

    Arguments:
        model: "digits", which comes with the package; the folder of a model, such as demo/model; or its name on the
            Hugging Face hub.
        data: A folder of images to start from, by whose codes the page tells which edits leave the data; test
            digits for a model of digits where left out, or else what the model decodes its prior to.
        host: The address to listen at; 0.0.0.0 lets other machines in, to whom there is no password.
        port: The port to listen at; 0 for any free one.
        open: Also open the page in a browser.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        quiet: Print nothing but the address.
    """

    model: str = "digits"
    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = 7860
    open: bool = False
    device: str = "auto"
    quiet: bool = False

    def run(self) -> int:
        """Serves and returns the exit status.

        Raises:
            ImportError: if gradio is not installed.
            OSError: if the model or the folder does not exist, or the port is taken.
            ValueError: if the model's folder is not one, or the port is none.
        """
        if not 0 <= self.port < _PORTS:
            raise ValueError(f"`port` must be from 0 to {_PORTS - 1}, got {self.port}")
        need_gradio()
        model = load_model(self.model, pick_device(self.device))
        if not self.quiet:
            print(f"{', '.join(model.names)}: {self.model} on {model.device}. Stop it by Ctrl-C.", flush=True)
        serve(make_editor(model, self.model, self.data), host=self.host, port=self.port, open_browser=self.open)
        return 0
