"""The page on which images are edited: `flowdis app`."""

from flowdis.app.editor import Editor, make_editor
from flowdis.app.serve import serve
from flowdis.app.state import Controls, EditState, Source

__all__ = ["Controls", "EditState", "Editor", "Source", "make_editor", "serve"]
