"""Space: brain mask, smoothing in volumes and on surfaces, smoothness of noise."""

from boldglm.glm.spatial.brain_mask import compute_brain_mask
from boldglm.glm.spatial.domains import Domain, Smoother, SurfaceDomain, VolumeDomain
from boldglm.glm.spatial.smoothness import grid_fwhm, mesh_fwhm
from boldglm.glm.spatial.surface_smoothing import MeshSmoother
from boldglm.glm.spatial.target_smoothness import smooth_to_target
from boldglm.glm.spatial.volume_smoothing import MaskSmoother, smooth_volume

__all__ = [
    "Domain",
    "MaskSmoother",
    "MeshSmoother",
    "Smoother",
    "SurfaceDomain",
    "VolumeDomain",
    "compute_brain_mask",
    "grid_fwhm",
    "mesh_fwhm",
    "smooth_to_target",
    "smooth_volume",
]
