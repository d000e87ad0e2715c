"""What the page answers to each event: pure functions of the visitor's state, on a model that all share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from flowdis.app.actions import codes_along, compare, make_source, quick_image
from flowdis.app.editor import Editor
from flowdis.app.exports import film_bytes, latent_bytes, path_text, png_bytes, python_code
from flowdis.app.markup import VIEWS, history_value, panel_value
from flowdis.app.state import Controls, EditState, Session, path_of
from flowdis.app.uploads import MOST_BYTES, UploadError, read_data_url
from flowdis.app.views import (
    alert,
    commutator_view,
    comparison_view,
    exports_view,
    figure,
    film_view,
    gauge_view,
    picture,
    strip_view,
)
from flowdis.dynamics import FlowError

__all__ = ["Handlers", "Shown"]

_STRIP, _FILM = 8, 16  # frames
_SLOTS = 1

_Answer = tuple[Any, ...]


@dataclass(frozen=True)
class Shown:
    """The parts of the page that show a state.

    Arguments:
        message: What went wrong, or nothing.
        original: The image before the edit.
        edited: The image after it, with its path.
        gauge: Where its code stands.
        history: Whether there is something to undo or to redo.
        detail: The view below.
    """

    message: str
    original: str
    edited: str
    gauge: str
    history: dict[str, bool]
    detail: str


@dataclass(frozen=True)
class Handlers:
    """The answers to events.

    Arguments:
        editor: What all visitors share.
        slots: How many images are computed at a time while sliders move; several threads hinder each other.
    """

    editor: Editor
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_SLOTS))

    def move(self, session: Session, given: Mapping[str, Any]) -> str:
        """The edited image while a slider moves."""
        source = session.state.now.source
        try:
            controls = self.editor.controls(given)
            path = path_of(controls, self.editor.model.flows())
            with self.slots:
                image = quick_image(self.editor.model, source.z, path)
        except (FlowError, ValueError) as error:
            return alert(_told(error))
        return self._edited(image, controls)

    def settle(self, session: Session, given: Mapping[str, Any], view: str) -> _Answer:
        """Everything, after sliders came to rest, the mode was chosen or the order changed."""
        return self._change(session, view, lambda state: state.moved(self.editor.controls(given)))

    def take(self, session: Session, given: Mapping[str, Any], view: str) -> _Answer:
        """Everything, after a sample was chosen or a file sent; a bad file leaves all as it was."""
        return self._change(session, view, lambda state: self._loaded(state, given))

    def undo(self, session: Session, given: Mapping[str, Any], view: str) -> _Answer:
        """Everything as it was before the last change, sliders too."""
        return self._history(session, given, view, EditState.undone)

    def redo(self, session: Session, given: Mapping[str, Any], view: str) -> _Answer:
        """Everything as it was before the last undo, sliders too."""
        return self._history(session, given, view, EditState.redone)

    def reset(self, session: Session, given: Mapping[str, Any], view: str) -> _Answer:
        """Everything with all sliders at rest, which can be undone."""
        rest = Controls.rest(self.editor.model.flows())
        return self._history(session, given, view, lambda before: before.moved(rest))

    def view(self, session: Session, view: str) -> str:
        """One of the views below the images."""
        return self.detail(session.state, view)

    def detail(self, state: EditState, view: str) -> str:
        """One of the views below the images, of a state."""
        model, now = self.editor.model, state.now
        path = path_of(now.controls, model.flows())
        try:
            if view == "compare":
                return comparison_view(compare(model, now.source, now.controls))
            if view == "commutators":
                return commutator_view(self.editor.commutator)
            if view == "film":
                return film_view(film_bytes(model.decode(codes_along(model, now.source.z, path, _FILM))))
            if view == "export":
                return self._exports(state)
            return strip_view(model.decode(codes_along(model, now.source.z, path, _STRIP)))
        except FlowError as error:
            return alert(_told(error))

    def shown(self, state: EditState, view: str, message: str = "") -> Shown:
        """All parts of the page for a state."""
        model, now = self.editor.model, state.now
        edited = gauge = ""
        try:
            z = codes_along(model, now.source.z, path_of(now.controls, model.flows()))[-1]
            edited = self._edited(model.decode(z.unsqueeze(0))[0], now.controls)
            read = self.editor.gauge.read
            gauge = gauge_view(read(z), read(now.source.z), self.editor.gauge.told)
        except FlowError as error:
            message = message or _told(error)
        original = figure(picture(now.source.image, f"The original: {now.source.name}"), "Original", now.source.name)
        detail = self.detail(state, view if view in VIEWS else "frames")
        return Shown(alert(message), original, edited, gauge, history_value(state), detail)

    def _change(self, session: Session, view: str, act: Callable[[EditState], EditState]) -> _Answer:
        """What the page shows after a change; one that is refused leaves all as it was, but says why."""
        with session.lock:
            message = ""
            try:
                session.state = act(session.state)
            except ValueError as error:
                message = str(error)
            shown = self.shown(session.state, view, message)
        return tuple(getattr(shown, part.name) for part in fields(shown))

    def _history(
        self, session: Session, given: Mapping[str, Any], view: str, act: Callable[[EditState], EditState]
    ) -> _Answer:
        # Sliders that have moved on since they last came to rest are a change of their own.
        answer = self._change(session, view, lambda state: act(state.moved(self.editor.controls(given))))
        return (*answer, panel_value(session.state))

    def _loaded(self, state: EditState, given: Mapping[str, Any]) -> EditState:
        samples, model = self.editor.samples, self.editor.model
        kind = given.get("kind") if isinstance(given, Mapping) else None
        if kind == "sample" and given.get("index") in range(len(samples.names)):
            index = int(given["index"])
            return state.loaded(make_source(model, samples.images[index], samples.names[index]))
        if kind == "upload":
            image = read_data_url(str(given.get("data")), model.image_shape)
            return state.loaded(make_source(model, image, str(given.get("name"))[:80]))
        if kind == "too large":
            raise UploadError(f"This file is too large: at most {MOST_BYTES // 2**20} MB are taken.")
        raise UploadError("There is no such image.")

    def _edited(self, image: Any, controls: Controls) -> str:
        text = path_text(self.editor.model, controls) if controls.moving(self.editor.model.flows()) else "as it is"
        return figure(picture(image, f"Edited: {text}"), "Edited", text)

    def _exports(self, state: EditState) -> str:
        model, now = self.editor.model, state.now
        path = path_of(now.controls, model.flows())
        z = codes_along(model, now.source.z, path)[-1]
        frames = model.decode(codes_along(model, now.source.z, path, _FILM))
        text = path_text(model, now.controls)
        code = python_code(model, now.controls, self.editor.name)
        files = [
            ("Edited image", "edited.png", png_bytes(model.decode(z.unsqueeze(0))[0]), "image/png"),
            ("Original", "original.png", png_bytes(now.source.image), "image/png"),
            ("Film", "edit.gif", film_bytes(frames), "image/gif"),
            ("Latent", "latent.safetensors", latent_bytes(now.source.z, z), "application/octet-stream"),
            ("Path", "path.txt", f"{text}\n".encode(), "text/plain"),
            ("Python", "edit.py", code.encode(), "text/x-python"),
        ]
        return exports_view(files, text, code)


def _told(error: Exception) -> str:
    logging.getLogger("flowdis").info("an edit was refused: %s", error)
    return f"This edit cannot be made: {error}"
