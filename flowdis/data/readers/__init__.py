"""Readers of published factor data in their own formats; nothing is downloaded unless asked."""

from __future__ import annotations

from flowdis.data.readers.cars3d import cars3d
from flowdis.data.readers.dsprites import dsprites
from flowdis.data.readers.folders import falcor3d, isaac3d
from flowdis.data.readers.mpi3d import mpi3d
from flowdis.data.readers.shapes3d import shapes3d
from flowdis.data.readers.smallnorb import smallnorb

__all__ = ["dsprites", "shapes3d", "mpi3d", "smallnorb", "cars3d", "falcor3d", "isaac3d"]
