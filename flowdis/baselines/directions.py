"""Latent directions of attributes, by the two ways that most people take: differences of means, and normals."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis._checks import check_finite, check_last
from flowdis.fields import ConstantField

__all__ = ["classifier_normals", "mean_differences"]

_Codes = Float[Tensor, "N D"]
_Attributes = Float[Tensor, "N K"]


def mean_differences(names: Sequence[str], codes: _Codes, attributes: _Attributes) -> ConstantField:
    r"""Directions from the mean of codes whose attribute is low to that of those where it is high.

    .. math:: d = (\bar z_{high} - \bar z_{low}) / (\bar a_{high} - \bar a_{low}),

    where high is what lies above the attribute's mean, of two values the greater.

    Arguments:
        names: The K attributes.
        codes: The codes, with shape (N, D).
        attributes: Their attributes, with shape (N, K).

    Returns:
        Constant fields, an amount of 1 for 1 of the attribute as far as means tell.

    Raises:
        ValueError: if shapes do not match, a value is not finite, or an attribute is the same for all.

    Reference: Radford, Metz and Chintala 2016, arXiv 1511.06434.

    Example:
        >>> codes = torch.tensor([[0.0, 1.0], [0.0, 3.0], [4.0, 1.0], [4.0, 3.0]])
        >>> mean_differences(("wide",), codes, torch.tensor([[0.0], [0.0], [2.0], [2.0]])).direction.tolist()
        [[2.0, 0.0]]
    """
    _check(names, codes, attributes)
    rows = []
    for values in attributes.unbind(-1):
        high = values > values.mean()
        gap = values[high].mean() - values[~high].mean()
        rows.append((codes[high].mean(0) - codes[~high].mean(0)) / gap)
    return _constant(names, codes, rows)


def classifier_normals(names: Sequence[str], codes: _Codes, attributes: _Attributes) -> ConstantField:
    r"""Directions normal to the hyperplanes of linear classifiers, or regressors.

    An attribute of two values is classified by logistic regression, and a direction is as long as the gap between the
    two means along it. Any other is regressed linearly, :math:`a \approx w \cdot z + b`, and its direction is
    :math:`w / |w|^2`, along which the regression rises by 1. Codes are standardised for the fit, and nowhere else.

    Arguments:
        names: The K attributes.
        codes: The codes, with shape (N, D).
        attributes: Their attributes, with shape (N, K).

    Returns:
        Constant fields, an amount of 1 for 1 of the attribute as far as the classifier tells.

    Raises:
        ValueError: if shapes do not match, a value is not finite, or an attribute is the same for all.

    Reference: Shen et al. 2020, InterFaceGAN, arXiv 2005.09635.
    """
    _check(names, codes, attributes)
    return _constant(names, codes, [_normal(codes, values) for values in attributes.unbind(-1)])


def _normal(codes: Tensor, values: Tensor) -> Tensor:
    from sklearn.linear_model import LogisticRegression, Ridge

    spread = codes.double().std(0).clamp(min=1e-12)
    inputs = ((codes.double() - codes.double().mean(0)) / spread).cpu().numpy()
    levels = values.unique()
    if len(levels) == 2:
        high = values == levels[1]
        weights = LogisticRegression(max_iter=1000).fit(inputs, high.cpu().numpy()).coef_[0]
        normal = torch.from_numpy(weights).to(spread) / spread
        normal = normal / normal.norm()
        gap = (codes[high].double().mean(0) - codes[~high].double().mean(0)) @ normal
        return normal * gap / float(levels[1] - levels[0])
    weights = Ridge(alpha=1e-3).fit(inputs, values.double().cpu().numpy()).coef_
    normal = torch.from_numpy(weights).to(spread) / spread
    return normal / normal.square().sum()


def _constant(names: Sequence[str], codes: Tensor, rows: list[Tensor]) -> ConstantField:
    bank = ConstantField(names, codes.shape[-1], generator=torch.Generator())
    bank.direction = nn.Parameter(torch.stack(rows).to(codes))
    return bank


def _check(names: Sequence[str], codes: Tensor, attributes: Tensor) -> None:
    check_last("attributes", attributes, len(names), f"K={len(names)} ({', '.join(names)})")
    if len(attributes) != len(codes):
        raise ValueError(f"`attributes` must have a row for each of {len(codes)} codes, got {len(attributes)}")
    check_finite("codes", codes)
    check_finite("attributes", attributes)
    for name, values in zip(names, attributes.unbind(-1), strict=True):
        if len(values) == 0 or bool((values == values[0]).all()):
            raise ValueError(f"`attributes` must differ between images, got a single value of {name!r}")
