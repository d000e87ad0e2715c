from __future__ import annotations

import pytest
import torch

from flowdis.plots import contact_sheet, grid
from tests.plots.toys import stills


def test_grid_puts_every_image_in_its_place():
    images = stills(2, 3, 3, 4, 5)
    sheet = grid(images, gap=2, background=0.5)
    assert sheet.shape == (3, 10, 19)
    assert torch.equal(sheet[:, 6:10, 14:19], images[1, 2])
    assert (sheet[:, 4:6] == 0.5).all()
    assert (sheet[:, :, 5:7] == 0.5).all()


@pytest.mark.parametrize("images", [torch.zeros(0, 3, 1, 4, 4), torch.zeros(2, 0, 1, 4, 4)])
def test_grid_of_nothing_is_refused(images):
    with pytest.raises(ValueError, match="R, columns, C, H, W"):
        grid(images)


def test_contact_sheets_fill_rows_and_leave_the_rest_black():
    frames = stills(2, 5, 1, 4, 4)
    sheets = contact_sheet(frames, columns=3)
    assert sheets.shape == (2, 1, 10, 16)
    assert torch.equal(sheets[1, :, 6:10, 6:10], frames[1, 4])
    assert (sheets[:, :, 6:, 12:] == 0).all()
    assert torch.equal(contact_sheet(frames[:, 0]), frames[:, 0])
    with pytest.raises(ValueError, match="T, N, C, H, W"):
        contact_sheet(frames[None])
