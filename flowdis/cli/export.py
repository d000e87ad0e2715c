"""`flowdis export`: a model as functions that run without this library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowdis.data import check_writable
from flowdis.export import export_model
from flowdis.models import LatentFlow

__all__ = ["Export"]


@dataclass(frozen=True)
class Export:
    """Writes the encoder, the flow and the decoder of a model as functions that run without flowdis.

    Arguments:
        model: The folder of a model, the name of a packaged one, such as digits, or its name on the Hugging Face hub.
        out: The folder to write into.
        format: onnx, torch (programs of torch.export), or both.
        steps: Runge-Kutta steps of one call of the flow, whatever its amounts.
        quiet: Print nothing.
    """

    model: str
    out: Path
    format: str = "onnx"
    steps: int = 16
    quiet: bool = False

    def run(self) -> int:
        """Exports and returns the exit status.

        Raises:
            ImportError: if ONNX files are asked for and the extra is not installed.
            OSError: if the model does not exist, or the folder cannot be written.
            ValueError: if an option is out of range, or the model cannot be exported.
        """
        model = LatentFlow.from_pretrained(self.model)
        files = export_model(model, check_writable(self.out), format=self.format, steps=self.steps)
        if not self.quiet:
            print(f"written: {', '.join(map(str, files))}")
        return 0
