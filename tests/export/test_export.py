"""Exported functions do what the library does, for any batch, and run where it is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import flowdis as fd
from flowdis.export import FlowFunction, export_model
from tests.models.toys import small_config, small_model, stills

ROOT = Path(__file__).parents[2]

KINDS = {
    "helmholtz": {"hidden": 8},
    "potential": {"hidden": 8},
    "solenoidal": {"hidden": 8},
    "wave": {"hidden": 8},
    "linear": {},
}
SMALL = (3, 8, 8)
LARGE = (3, 70, 75)  # whose principal components are those of the shrunk image


@pytest.mark.parametrize(
    ("field", "kind", "shape"),
    [
        *((field, "conv", SMALL) for field in KINDS),
        ("helmholtz", "principal", SMALL),
        ("helmholtz", "principal", LARGE),
    ],
)
def test_exported_functions_agree_with_the_library_at_any_batch(
    field: str, kind: str, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    import onnxruntime

    config = replace(small_config(), field=field, field_options=KINDS[field], image_shape=shape)
    if kind == "principal":
        config = replace(config, encoder=kind, decoder=kind, likelihood="laplace")
    model = fd.LatentFlow(config, generator=torch.Generator().manual_seed(0)).eval()
    for part in (model.encoder, model.decoder):
        if isinstance(part, fd.models.PrincipalEncoder | fd.models.PrincipalDecoder):
            part.components.fit(stills(9, *shape))
    export_model(model, tmp_path, format="both", steps=2)
    sessions = {name: onnxruntime.InferenceSession(tmp_path / f"{name}.onnx") for name in ("encode", "flow", "decode")}
    programs = {name: torch.export.load(tmp_path / f"{name}.pt2").module() for name in sessions}
    for batch in (1, 5):
        images, amounts = stills(batch, *shape), 0.3 * (stills(batch, 2) - 0.5)
        z = fd.encode(model, images)
        with torch.no_grad():
            truth = model.transport(fd.Path(model.names, amounts.unsqueeze(0)), z).z[-1]
        wanted = {"encode": ((images,), z), "flow": ((z, amounts), truth), "decode": ((z,), fd.decode(model, z))}
        for name, (given, result) in wanted.items():
            feed = dict(zip([i.name for i in sessions[name].get_inputs()], (x.numpy() for x in given), strict=True))
            assert np.abs(sessions[name].run(None, feed)[0] - result.numpy()).max() < 1e-4
            assert (programs[name](*given) - result).abs().max() < 1e-5


def test_fixed_steps_are_of_order_four() -> None:
    model = small_model().double()
    z, amounts = stills(4, 4).double(), torch.ones(4, 2, dtype=torch.float64)
    with torch.no_grad():
        truth = FlowFunction(model, 256)(z, amounts)
        coarse, fine = ((FlowFunction(model, n)(z, amounts) - truth).abs().max() for n in (8, 16))
    assert 12 < coarse / fine < 20


def test_what_cannot_be_exported_leaves_nothing_behind(tmp_path: Path) -> None:
    config = replace(small_config(), dynamics="underdamped")
    with pytest.raises(ValueError, match="must move codes without inertia and noise"):
        export_model(fd.LatentFlow(config), tmp_path / "out")
    with pytest.raises(ValueError, match="`format` must be one of onnx, torch, both"):
        export_model(small_model(), tmp_path / "out", format="tf")
    with pytest.raises(TypeError, match="`model` must be a LatentFlow, got Linear"):
        export_model(torch.nn.Linear(1, 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_image_is_edited_where_neither_torch_nor_flowdis_can_be_imported(tmp_path: Path) -> None:
    model = small_model().eval()
    export_model(model, tmp_path / "exported", steps=4)
    told = json.loads((tmp_path / "exported/flowdis.json").read_text())
    assert [each["name"] for each in told["transformations"]] == ["rotate", "hue"]
    fd.data.save_images(stills(1, 3, 8, 8), tmp_path, ["photo.png"])
    blocked = "import sys; sys.modules['torch'] = sys.modules['flowdis'] = None; sys.argv = sys.argv[1:]; "
    code = blocked + "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    script = str(ROOT / "examples/edit_without_flowdis.py")
    words = ["exported", "photo.png", "edited.png", "rotate=20", "hue=-30"]
    subprocess.run([sys.executable, "-I", "-c", code, script, *words], cwd=tmp_path, check=True)
    photo, _ = fd.data.load_images(tmp_path / "photo.png")
    edited, _ = fd.data.load_images(tmp_path / "edited.png")
    rotate, hue = model.flows()
    assert (fd.edit(model, photo, rotate(20) >> hue(-30)) - edited).abs().max() < 1.01 / 255
