"""The page: what is where, and which events ask for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowdis.app.editor import Editor
from flowdis.app.handlers import Handlers
from flowdis.app.markup import asset, header_markup, panel_markup, panel_value, source_markup, views_markup

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
        state = gradio.State(start, time_to_live=24 * 3600)
        part(header_markup(editor.name, editor.model.units))
        with gradio.Row(elem_classes="desk"):
            with gradio.Column(scale=7, min_width=300, elem_classes="stage"):
                message = part("")
                with gradio.Row(elem_classes="pair"):
                    original = part(first.original)
                    edited = part(first.edited, elem_id="edited")
                gauge = part(first.gauge)
            with gradio.Column(scale=4, min_width=300, elem_classes="side"):
                source = part({}, html_template=source_markup(editor.samples), js_on_load=asset("source.js"))
                panel = part(panel_value(start), html_template=panel_markup(editor.dials), js_on_load=asset("panel.js"))
        view = part("frames", html_template=views_markup(), js_on_load=_VIEWS)
        detail = part(first.detail, elem_id="detail")

        everything = [state, message, original, edited, gauge, panel, detail]

        def on(
            event: Callable[..., Any], name: str, act: Any, inputs: list[Any], outputs: list[Any], **options: Any
        ) -> None:
            event(act, inputs, outputs, api_name=name, queue=False, show_progress="hidden", **options)

        # While a slider moves, the latest place alone counts.
        on(panel.move, "move", handlers.move, [state, panel], [edited], trigger_mode="always_last")
        on(panel.settle, "settle", handlers.settle, [state, panel, view], everything, trigger_mode="always_last")
        on(source.take, "take", handlers.take, [state, source, view], everything, trigger_mode="always_last")
        for name in ("undo", "redo", "reset"):
            act = getattr(handlers, name)
            on(getattr(panel, name), name, act, [state, view], everything, trigger_mode="multiple")
        on(view.choose, "view", handlers.detail, [state, view], [detail], trigger_mode="always_last")
    return page
