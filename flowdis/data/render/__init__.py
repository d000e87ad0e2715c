"""Data that need no file: sprites as in dSprites and rooms as in 3dshapes, rendered at any values of their factors."""

from __future__ import annotations

from flowdis.data.render.rooms import RoomRenderer, render_rooms, rooms
from flowdis.data.render.sprites import SpriteRenderer, render_sprites, sprites

__all__ = ["sprites", "rooms", "render_sprites", "render_rooms", "SpriteRenderer", "RoomRenderer"]
