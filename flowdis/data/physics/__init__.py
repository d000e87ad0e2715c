"""Mechanical systems, simulated so that nothing is lost, and rendered: springs, pendulums, bodies, balls."""

from __future__ import annotations

from flowdis.data.physics.balls import Balls, bouncing_balls
from flowdis.data.physics.double_pendulum import DoublePendulum
from flowdis.data.physics.renderer import BodyRenderer, System
from flowdis.data.physics.separable import Bodies, Pendulum, SeparableSystem, Spring
from flowdis.data.physics.simulate import simulate
from flowdis.data.physics.systems import SYSTEMS, double_pendulum, pendulum, spring, three_body, two_body

__all__ = [
    "SYSTEMS",
    "spring",
    "pendulum",
    "double_pendulum",
    "two_body",
    "three_body",
    "bouncing_balls",
    "System",
    "SeparableSystem",
    "Spring",
    "Pendulum",
    "Bodies",
    "DoublePendulum",
    "Balls",
    "simulate",
    "BodyRenderer",
]
