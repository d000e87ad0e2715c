r"""Linear support vector machines of one code each: all codes, factors and classes, without a solver's tolerance.

For one code z, class weights c and a regularised intercept, as liblinear has it,

.. math:: \min_{w, b} \frac{w^2 + b^2}{2} + C \sum_n c_n \max(0, 1 - y_n (w z_n + b))^2

needs of the samples only sums over half-lines of z: with z sorted they are differences of running sums, so that a
Newton step of every class of every factor costs a few look-ups instead of a pass over the samples.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64

__all__ = ["svm_accuracies"]

_TOLERANCE = 1e-22
"""How much the objective may still fall, relative to 1 and itself."""

_STEPS = 200
_HALVINGS = 50


def svm_accuracies(
    codes: Float64[np.ndarray, "N D"],
    classes: Int64[np.ndarray, "N F"],
    new_codes: Float64[np.ndarray, "M D"],
    new_classes: Int64[np.ndarray, "M F"],
    penalty: float = 0.01,
) -> Float64[np.ndarray, "D F"]:
    """How often each code alone tells each factor's class, by a linear support vector machine.

    Classes weigh as the inverse of their number of samples, one class against the rest, with the squared hinge
    loss: scikit-learn's `LinearSVC(C=penalty, class_weight="balanced")`, solved exactly.

    Arguments:
        codes: The codes to train on, with shape (N, D).
        classes: The factors' classes, from 0, with shape (N, F).
        new_codes: The codes to test on, with shape (M, D).
        new_classes: Their factors' classes, with shape (M, F).
        penalty: The weight C of the loss.

    Returns:
        The accuracies on the new codes, with shape (D, F).

    Example:
        >>> codes = np.array([[-2.0], [-1.0], [1.0], [2.0]])
        >>> classes = np.array([[0], [0], [1], [1]])
        >>> svm_accuracies(codes, classes, codes, classes)
        array([[1.]])
    """
    factors, labels, weights, rest = _problems(classes)
    member = classes[:, factors] == labels
    result = np.empty((codes.shape[1], classes.shape[1]))
    for d in range(codes.shape[1]):
        order = np.argsort(codes[:, d], kind="stable")
        w, b = _solve(codes[order, d], member[order], penalty * weights, penalty * rest)
        decisions = new_codes[:, d, None] * w + b
        for f in range(classes.shape[1]):
            own = factors == f
            told = labels[own][decisions[:, own].argmax(axis=1)]
            result[d, f] = (told == new_classes[:, f]).mean()
    return result


def _problems(
    classes: Int64[np.ndarray, "N F"],
) -> tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " P"], Float64[np.ndarray, " P"], Float64[np.ndarray, " P"]]:
    """Each class of each factor against the rest: the factor, the class, and the weights of the class and the rest."""
    factors, labels, weights, rest = [], [], [], []
    for f in range(classes.shape[1]):
        found, counts = np.unique(classes[:, f], return_counts=True)
        balanced = len(classes) / (len(found) * counts)
        factors.append(np.full(len(found), f))
        labels.append(found)
        weights.append(balanced)
        # liblinear gives the rest its class's weight if there are two classes, and 1 if there are more.
        rest.append(balanced[::-1] if len(found) == 2 else np.ones(len(found)))
    return np.concatenate(factors), np.concatenate(labels), np.concatenate(weights), np.concatenate(rest)


def _solve(
    z: Float64[np.ndarray, " N"],
    member: Bool[np.ndarray, "N P"],
    weights: Float64[np.ndarray, " P"],
    rest: Float64[np.ndarray, " P"],
) -> tuple[Float64[np.ndarray, " P"], Float64[np.ndarray, " P"]]:
    """The weights and intercepts of all problems of a sorted code, by Newton's method with halved steps."""
    # Around the mean, where slope and intercept hardly depend on each other, no digits are lost.
    centre = float(z.mean())
    sums = _Sums(z - centre, member, weights, rest)
    w, b = np.zeros_like(weights), np.zeros_like(weights)
    value, slope, curve = _objective(sums, centre, w, b)
    for _ in range(_STEPS):
        determinant = curve[0] * curve[2] - curve[1] ** 2
        step_w = (curve[2] * slope[0] - curve[1] * slope[1]) / determinant
        step_b = (curve[0] * slope[1] - curve[1] * slope[0]) / determinant
        fall, length = slope[0] * step_w + slope[1] * step_b, np.ones_like(w)
        short = fall > _TOLERANCE * (1 + value)
        length[~short] = 0
        for _ in range(_HALVINGS):
            trial = _objective(sums, centre, w - length * step_w, b - length * step_b)[0]
            short &= trial > value - 1e-4 * length * fall + 1e-14 * np.abs(value)
            if not short.any():
                break
            length[short] /= 2
        # What still does not fall is as low as rounding lets it be.
        length[short] = 0
        if not length.any():
            break
        w, b = w - length * step_w, b - length * step_b
        value, slope, curve = _objective(sums, centre, w, b)
    return w, b - w * centre


class _Sums:
    """The sums of 1, z and z^2 over the samples below any edge of a sorted code, by class and by the rest."""

    def __init__(
        self,
        z: Float64[np.ndarray, " N"],
        member: Bool[np.ndarray, "N P"],
        weights: Float64[np.ndarray, " P"],
        rest: Float64[np.ndarray, " P"],
    ) -> None:
        powers = np.stack([np.ones_like(z), z, z**2])
        self.z, self.weights, self.rest = z, weights, rest
        self.all = np.zeros((3, len(z) + 1, 1))
        self.inside = np.zeros((3, len(z) + 1, len(weights)))
        np.cumsum(powers[..., None], axis=1, out=self.all[:, 1:])
        np.cumsum(powers[..., None] * member, axis=1, out=self.inside[:, 1:])

    def short(
        self, w: Float64[np.ndarray, " P"], b: Float64[np.ndarray, " P"], *, inside: bool
    ) -> Float64[np.ndarray, "3 P"]:
        """The weighted sums over samples short of their margin, w z + b < 1.

        They are those below an edge if w > 0, and those above it if w < 0.
        """
        edge = np.divide(1 - b, w, out=np.where(b < 1, np.inf, -np.inf), where=w != 0)
        below = np.where(w < 0, np.searchsorted(self.z, edge, side="right"), np.searchsorted(self.z, edge, side="left"))
        low, whole = self.inside[:, below, np.arange(len(w))], self.inside[:, -1]
        if not inside:
            low, whole = self.all[:, below, 0] - low, self.all[:, -1] - whole
        return np.where(w < 0, whole - low, low) * (self.weights if inside else self.rest)


def _objective(
    sums: _Sums, centre: float, w: Float64[np.ndarray, " P"], b: Float64[np.ndarray, " P"]
) -> tuple[Float64[np.ndarray, " P"], Float64[np.ndarray, "2 P"], Float64[np.ndarray, "3 P"]]:
    """The objective, its gradient in (w, b), and its second derivatives in (ww, wb, bb); b is taken at the centre."""
    origin, one = b - w * centre, np.ones_like(w)
    value = (w**2 + origin**2) / 2
    slope = np.stack([w - centre * origin, origin])
    curve = np.stack([one + centre**2, -centre * one, one])
    for inside, sign in ((True, 1.0), (False, -1.0)):
        count, first, second = sums.short(sign * w, sign * b, inside=inside)
        gap = 1 - sign * b
        value += count * gap**2 - 2 * gap * sign * w * first + w**2 * second
        slope -= 2 * sign * np.stack([gap * first - sign * w * second, gap * count - sign * w * first])
        curve += 2 * np.stack([second, first, count])
    return value, slope, curve
