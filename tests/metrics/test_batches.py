from __future__ import annotations

import pytest
import torch

from flowdis.data import TransformSequences
from flowdis.metrics.batches import model_path, pieces, rows, slices, spread
from flowdis.paths import Path
from tests.metrics.toys import brightness_model, grey, small_model


def test_slices_cover_all_rows_once():
    assert [list(range(10))[piece] for piece in slices(10, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(slices(0, 3)) == []
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        list(slices(3, 0))


def test_spread_reaches_every_class_of_a_sorted_set():
    labels = torch.arange(10.0).repeat_interleave(100).reshape(-1, 1, 1, 1)
    assert spread(labels, 50).flatten().long().bincount().min() >= 4
    assert spread(labels, None) is labels
    assert spread(labels, 5000) is labels
    with pytest.raises(ValueError, match="`count` must be at least 1, got 0"):
        spread(labels, 0)


def test_paths_are_cut_and_embedded_with_their_clocks():
    path = Path(("hue",), torch.arange(6.0).reshape(1, 6, 1), torch.ones(1, 6, 1))
    cut = rows(path, slice(2, 4))
    assert cut.amounts.flatten().tolist() == [2.0, 3.0]
    assert cut.clocks is not None
    whole = model_path(small_model("rotate", "hue"), cut)
    assert whole.amounts[0].tolist() == [[0.0, 2.0], [0.0, 3.0]]
    assert whole.clocks is not None
    assert whole.clocks[0].tolist() == [[0.0, 1.0], [0.0, 1.0]]
    shared = Path(("hue",), torch.ones(2, 1))
    assert rows(shared, slice(0, 1)) is shared
    with pytest.raises(ValueError, match=r"amounts of shape \(S, K\) or \(S, B, K\), got \(1, 2, 3, 1\)"):
        rows(Path(("hue",), torch.ones(1, 2, 3, 1)), slice(0, 1))


def test_pieces_are_the_batch_in_the_models_type(generator):
    sequences = TransformSequences(grey(5).float(), ["brightness"])
    batch = sequences.batch(torch.arange(5), generator=generator)
    cut = list(pieces(brightness_model(), [batch, batch], 2))
    assert [len(piece.first) for piece in cut] == [2, 2, 1] * 2
    assert {piece.frames.dtype for piece in cut} == {torch.float64}
    assert {piece.names for piece in cut} == {("hue", "brightness")}
    torch.testing.assert_close(torch.cat([piece.frames for piece in cut[:3]], 1), batch.frames.double())
    torch.testing.assert_close(torch.cat([piece.truth() for piece in cut[:3]]).float(), batch.truth())
