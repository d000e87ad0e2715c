"""The page of what was read before training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowdis.data.album import Album, Look
from flowdis.data.attributes import AttributeTable
from flowdis.plots.first_look import write_first_look


def album(channels: int, looks: list[Look]) -> Album:
    images = torch.rand(len(looks), channels, 6, 8, generator=torch.Generator().manual_seed(0))
    files = tuple(Path(f"{number}.png") for number in range(len(looks)))
    return Album(images, files, tuple(looks), {Path("<b>.txt"): "could not read <b>.txt as an image"})


def test_counts_reasons_and_the_split_are_told_and_escaped(tmp_path: Path) -> None:
    looks = [Look("PNG", "L", 4 + number, 5) for number in range(15)] + [Look("JPEG", "RGB", 4, 5)] * 3
    tested = torch.arange(18) % 6 == 0
    table = AttributeTable(
        ("age", "hair"),
        torch.stack([torch.linspace(-2, 9, 18), torch.arange(18) % 3.0], 1),
        ("continuous", "categorical"),
        {"hair": ("dark", "fair", "red")},
        tuple(range(18)),
    )
    page = write_first_look(tmp_path / "new", album(3, looks), tested, attributes=table, title="a & b").read_text()
    for told in ("First look: a &amp; b", "All 15 images to train on", "All 3 images to test on", "8 × 6"):
        assert told in page, told
    assert '<th scope="row">4 × 5</th><td>4</td>' in page  # the usual size first
    assert '<th scope="row">3 others</th><td>3</td>' in page
    assert "could not read &lt;b&gt;.txt" in page and "<b>" not in page
    assert page.count("<figure") == 4


@pytest.mark.parametrize(("channels", "figures"), [(1, 3), (2, 1), (4, 3)])
def test_images_of_any_number_of_channels_have_a_page(tmp_path: Path, channels: int, figures: int) -> None:
    looks = [Look("NPZ", "array", 8, 6)] * 3
    page = write_first_look(tmp_path, album(channels, looks), torch.tensor([True, False, False])).read_text()
    assert page.count("<figure") == figures and ("cannot be shown" in page) == (channels == 2)


def test_what_does_not_fit_the_images_is_refused(tmp_path: Path) -> None:
    looks = [Look("PNG", "L", 8, 6)] * 3
    with pytest.raises(ValueError, match="must be of N=3 images, got 2 and none"):
        write_first_look(tmp_path, album(1, looks), torch.tensor([True, False]))
    assert list(tmp_path.iterdir()) == []
