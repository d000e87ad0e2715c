"""Pictures of waves: maps of phase, velocity and preference, diagrams in space and time, spectra, and films."""

from flowdis.plots.wave_films import phase_film
from flowdis.plots.wave_maps import phase_maps, selectivity_map, velocity_map
from flowdis.plots.wave_spectra import space_time, wave_spectra

__all__ = ["phase_film", "phase_maps", "selectivity_map", "space_time", "velocity_map", "wave_spectra"]
