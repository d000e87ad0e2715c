"""The page: what is where, and which events ask for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowdis.app.editor import Editor
from flowdis.app.handlers import Handlers
from flowdis.app.markup import (
    asset,
    header_markup,
    history_markup,
    history_value,
    panel_markup,
    panel_value,
    source_markup,
    views_markup,
)
from flowdis.app.state import Session

if TYPE_CHECKING:
    import gradio

__all__ = ["build_page"]

_VIEWS = "element.addEventListener('change', (event) => { props.value = event.target.value; trigger('choose'); });"


def build_page(editor: Editor) -> gradio.Blocks:
    """The page for an editor; what a visitor does is kept in the session alone."""
    import gradio

    handlers = Handlers(editor)
    start = editor.start()
    first = handlers.shown(start, "frames")

    def part(value: Any, **options: Any) -> gradio.HTML:
        return gradio.HTML(value, **{"js_on_load": None, "apply_default_css": False, **options})

    with gradio.Blocks(title="flowdis", analytics_enabled=False) as page:
        state = gradio.State(Session(start), time_to_live=24 * 3600)
        part(header_markup(editor.name, editor.model.units))
        with gradio.Row(elem_classes="desk"):
            with gradio.Column(scale=7, min_width=300, elem_classes="stage"):
                message = part("", elem_id="message")
                with gradio.Row(elem_classes="pair"):
                    original = part(first.original)
                    edited = part(first.edited, elem_id="edited")
                gauge = part(first.gauge)
            with gradio.Column(scale=4, min_width=300, elem_classes="side"):
                source = part({}, html_template=source_markup(editor.samples), js_on_load=asset("source.js"))
                panel = part(panel_value(start), html_template=panel_markup(editor.dials), js_on_load=asset("panel.js"))
                history = part(history_value(start), html_template=history_markup(), js_on_load=asset("history.js"))
        view = part("frames", html_template=views_markup(), js_on_load=_VIEWS)
        detail = part(first.detail, elem_id="detail")

        shown = [message, original, edited, gauge, history, detail]
        sliders = [state, panel, view]

        def on(
            event: Callable[..., Any], name: str, act: Any, inputs: list[Any], outputs: list[Any], mode: str
        ) -> None:
            event(act, inputs, outputs, api_name=name, queue=False, show_progress="hidden", trigger_mode=mode)

        # While a slider moves, its latest place alone counts. What a hand moves is never written back, but by history.
        on(panel.move, "move", handlers.move, [state, panel], [edited], "always_last")
        on(panel.settle, "settle", handlers.settle, sliders, shown, "always_last")
        on(source.take, "take", handlers.take, [state, source, view], shown, "always_last")
        on(view.choose, "view", handlers.view, [state, view], [detail], "always_last")
        on(history.undo, "undo", handlers.undo, sliders, [*shown, panel], "multiple")
        on(history.redo, "redo", handlers.redo, sliders, [*shown, panel], "multiple")
        on(history.reset, "reset", handlers.reset, sliders, [*shown, panel], "multiple")
    return page
