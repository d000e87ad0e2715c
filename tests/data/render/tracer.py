"""A slow ray tracer of the rooms in numpy, to compare with: many rays a pixel, the nearest hit of each."""

from __future__ import annotations

import colorsys
import math

import numpy as np

HEIGHT, DISTANCE, AIM, FIELD, HALF_WIDTH = 2.3, 3.4, 0.5, 54.0, 2.6
SIZES = ((0.62, 1.24), (0.62, 1.24), (0.7, 1.4), (0.52, 1.66))  # half width and height: cube, cylinder, sphere, capsule
LIGHT = np.array([0.0, math.sin(math.radians(58)), -math.cos(math.radians(58))])  # in the axes of the room
AMBIENT, DIFFUSE, DEPTH = 0.52, 0.46, 0.8


def rays(image_size: int, samples: int, orientation: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera is and where rays point, in the axes of the room, with shape (rows, columns, 3)."""
    n = image_size * samples
    reach = math.tan(math.radians(FIELD / 2))
    across = ((np.arange(n) + 0.5) / n * 2 - 1) * reach
    forward = np.array([0.0, AIM - HEIGHT, DISTANCE])
    forward /= np.linalg.norm(forward)
    right = np.array([1.0, 0.0, 0.0])
    up = np.cross(forward, right)
    directions = forward + across[None, :, None] * right - across[:, None, None] * up
    angle = math.radians(orientation)  # the camera walks to the right, counter-clockwise from above
    turn = np.array([[math.cos(angle), 0, -math.sin(angle)], [0, 1, 0], [math.sin(angle), 0, math.cos(angle)]])
    return turn @ np.array([0.0, HEIGHT, -DISTANCE]), directions @ turn.T


def nearest(*candidates: np.ndarray) -> np.ndarray:
    """The least of several lengths of rays, NaN where there are none."""
    return np.fmin.reduce(candidates)


def quadratic(a: np.ndarray, b: np.ndarray, c: float) -> np.ndarray:
    """The smaller root of a t^2 + 2 b t + c = 0, or NaN."""
    with np.errstate(invalid="ignore"):
        return (-b - np.sqrt(b * b - a * c)) / a


def ball(origin: np.ndarray, to: np.ndarray, radius: float, height: float) -> np.ndarray:
    o = origin - np.array([0.0, height, 0.0])
    return quadratic((to * to).sum(-1), to @ o, o @ o - radius**2)


def tube(origin: np.ndarray, to: np.ndarray, radius: float, low: float, high: float) -> np.ndarray:
    flat, o = to[..., [0, 2]], origin[[0, 2]]
    t = quadratic((flat * flat).sum(-1), flat @ o, o @ o - radius**2)
    y = origin[1] + t * to[..., 1]
    return np.where((y >= low) & (y <= high), t, np.nan)


def lid(origin: np.ndarray, to: np.ndarray, radius: float, height: float) -> np.ndarray:
    t = (height - origin[1]) / to[..., 1]
    p = origin + t[..., None] * to
    return np.where((t > 0) & (p[..., 0] ** 2 + p[..., 2] ** 2 <= radius**2), t, np.nan)


def box(origin: np.ndarray, to: np.ndarray, radius: float, height: float) -> np.ndarray:
    low, high = np.array([-radius, 0.0, -radius]), np.array([radius, height, radius])
    with np.errstate(divide="ignore"):
        one, two = (low - origin) / to, (high - origin) / to
    enter, leave = np.minimum(one, two).max(-1), np.maximum(one, two).min(-1)
    return np.where((enter <= leave) & (leave > 0), enter, np.nan)


def solid(shape: int, origin: np.ndarray, to: np.ndarray, radius: float, height: float) -> tuple[np.ndarray, ...]:
    """The lengths of rays up to the object, and its normals there."""
    if shape == 0:
        t = box(origin, to, radius, height)
        p = (origin + t[..., None] * to - [0, height / 2, 0]) / [radius, height / 2, radius]
        axis = np.abs(np.nan_to_num(p)).argmax(-1)
        return t, np.eye(3)[axis] * np.sign(p)
    if shape == 1:
        side, top = tube(origin, to, radius, 0, height), lid(origin, to, radius, height)
        t = nearest(side, top)
        p = origin + t[..., None] * to
        return t, np.where((t == top)[..., None], [0, 1, 0], p * [1, 0, 1] / radius)
    low, high = (radius, radius) if shape == 2 else (radius, height - radius)
    t = nearest(ball(origin, to, radius, low), ball(origin, to, radius, high), tube(origin, to, radius, low, high))
    p = origin + t[..., None] * to
    axis = np.stack([np.zeros_like(t), np.clip(p[..., 1], low, high), np.zeros_like(t)], -1)
    return t, (p - axis) / radius


def hidden(shape: int, p: np.ndarray, radius: float, height: float) -> np.ndarray:
    """The share of the sky that the object hides from points of the floor."""
    if shape >= 2:
        return (radius / np.sqrt(radius**2 + p[..., 0] ** 2 + p[..., 2] ** 2)) ** 3
    if shape == 1:
        away = np.maximum(np.hypot(p[..., 0], p[..., 2]) - radius, 0)
    else:
        away = np.hypot(*(np.maximum(np.abs(p[..., k]) - radius, 0) for k in (0, 2)))
    return 0.5 * (1 - away / np.hypot(away, height)) * radius / (radius + away)


def lit(normals: np.ndarray) -> np.ndarray:
    return AMBIENT + DIFFUSE * np.maximum(normals @ LIGHT, 0)


def trace(values: list[float], image_size: int, samples: int) -> np.ndarray:
    """An image (3, image_size, image_size) of a room, given the values of its six factors."""
    *hues, scale, shape, orientation = values
    radius, height = (scale * size for size in SIZES[int(shape)])
    origin, to = rays(image_size, samples, orientation)
    with np.errstate(divide="ignore", invalid="ignore"):
        planes = [np.where(to[..., 1] < 0, -origin[1] / to[..., 1], np.inf)]
        normals = [np.array([0.0, 1.0, 0.0])]
        for axis in (0, 2):
            for sign in (-1, 1):  # of walls, those that are seen from inside
                t = (sign * HALF_WIDTH - origin[axis]) / to[..., axis]
                planes.append(np.where((sign * to[..., axis] > 0) & (t > 0), t, np.inf))
                normals.append(-sign * np.eye(3)[axis])
        t, object_normals = solid(int(shape), origin, to, radius, height)
    which = np.argmin(planes, 0)
    red, green, blue = (np.array(colorsys.hsv_to_rgb(hue / 360 % 1, 1, 1)) for hue in hues)
    brightness = np.array([float(lit(normal)) for normal in normals])[which]
    p = origin + planes[0][..., None] * to
    floor = which == 0
    brightness[floor] *= 1 - DEPTH * hidden(int(shape), p[floor], radius, height)
    seen = np.isfinite(t)
    image = np.where(floor[..., None], red, green) * brightness[..., None]
    image[seen] = lit(object_normals[seen])[..., None] * blue
    return image.reshape(image_size, samples, image_size, samples, 3).mean((1, 3)).transpose(2, 0, 1)
