"""Pictures of flows: strips, animations, portraits, curves, and a report that holds them all."""

from flowdis.plots.animations import save_gif
from flowdis.plots.bars import model_bars
from flowdis.plots.curves import error_curves, training_curves
from flowdis.plots.explanations import explanation_figure
from flowdis.plots.gallery import Gallery, demo_figures
from flowdis.plots.portraits import latent_portrait
from flowdis.plots.reports import write_report
from flowdis.plots.responses import response_figure
from flowdis.plots.sheets import contact_sheet, grid
from flowdis.plots.strips import strip
from flowdis.plots.waves import phase_film, phase_maps, selectivity_map, space_time, velocity_map, wave_spectra

__all__ = [
    "Gallery",
    "contact_sheet",
    "demo_figures",
    "error_curves",
    "explanation_figure",
    "grid",
    "latent_portrait",
    "model_bars",
    "phase_film",
    "phase_maps",
    "response_figure",
    "save_gif",
    "selectivity_map",
    "space_time",
    "strip",
    "training_curves",
    "velocity_map",
    "wave_spectra",
    "write_report",
]
