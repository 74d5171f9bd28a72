"""Surfaces as fMRIPrep writes them: the series of a raw run on the vertices of two spheres."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, SeriesAxis

from boldglm.demo.dataset import brain
from fake_fmriprep import write_fmriprep
from icosphere import icosphere

SPACE = "fsaverage5"
CIFTI_SPACE = "space-fsLR_den-91k"
POINTS, TRIANGLES = icosphere(3, radius=60.0)
N_VERTICES, N_MEDIAL = len(POINTS), 40  # vertices of the medial wall come first, without signal
STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}


def write_gifti(path, arrays, intents, structure=None):
    written = [
        nib.gifti.GiftiDataArray(values, intent=f"NIFTI_INTENT_{intent}")
        for values, intent in zip(arrays, intents, strict=True)
    ]
    meta = {} if structure is None else {"AnatomicalStructurePrimary": structure}
    nib.save(nib.GiftiImage(darrays=written, meta=nib.gifti.GiftiMetaData(meta)), path)


def vertex_series(raw: Path, side: str) -> np.ndarray:
    """Return (n_scans, n_vertices) float32: series of voxels that the raw run has."""
    image = nib.load(raw)
    inside = brain(image.shape[:3])
    series = np.asarray(image.dataobj, dtype=np.float32)[inside].T
    rng = np.random.default_rng("LR".index(side))
    taken = series[:, rng.integers(0, series.shape[1], N_VERTICES)]
    taken[:, :N_MEDIAL] = 0
    return taken


def write_surfaces(dataset: Path, *, meshes=("midthickness", "inflated")) -> Path:
    """Write derivatives of every raw run in volume and surface space; return their folder."""
    folder = write_fmriprep(dataset)
    for raw in sorted(dataset.glob("sub-*/func/*_bold.nii.gz")):
        func = folder / raw.relative_to(dataset).parent
        stem = raw.name.removesuffix("_bold.nii.gz")
        anat = func.parent / "anat"
        anat.mkdir(exist_ok=True)
        for side, structure in STRUCTURES.items():
            bold = func / f"{stem}_hemi-{side}_space-{SPACE}_bold.func.gii"
            series = vertex_series(raw, side)
            write_gifti(bold, series, ["TIME_SERIES"] * len(series), structure)
            sidecar = {"RepetitionTime": 2.0, "StartTime": 0.95, "TaskName": "cuetarget"}
            bold.with_name(bold.name.replace(".func.gii", ".json")).write_text(json.dumps(sidecar))
            subject = stem.split("_")[0]
            for kind in meshes:
                write_gifti(
                    anat / f"{subject}_hemi-{side}_{kind}.surf.gii",
                    [POINTS.astype(np.float32), TRIANGLES.astype(np.int32)],
                    ["POINTSET", "TRIANGLE"],
                    structure,
                )
    return folder


def brain_models(shape: tuple[int, ...], affine: np.ndarray):
    """Return both hemispheres without their medial walls, and voxels of two structures."""
    vertices = np.arange(N_MEDIAL, N_VERTICES)
    axis = None
    for side in ("LEFT", "RIGHT"):
        cortex = BrainModelAxis.from_surface(vertices, N_VERTICES, f"CORTEX_{side}")
        axis = cortex if axis is None else axis + cortex
    inside = np.argwhere(brain(shape))
    half = len(inside) // 2
    for name, voxels in (("THALAMUS_LEFT", inside[:half]), ("PUTAMEN_RIGHT", inside[half:])):
        # as in CIFTI files, the first index varies fastest
        ordered = voxels[np.lexsort(voxels.T)]
        names = [f"CIFTI_STRUCTURE_{name}"] * len(ordered)
        axis += BrainModelAxis(names, voxel=ordered, affine=affine, volume_shape=shape)
    return axis


def grayordinate_series(raw: Path, axis) -> np.ndarray:
    """Return (n_scans, n_grayordinates) float32."""
    data = np.asarray(nib.load(raw).dataobj, dtype=np.float32)
    cortex = [vertex_series(raw, side)[:, N_MEDIAL:] for side in "LR"]
    voxels = axis.voxel[~axis.surface_mask]
    return np.hstack([*cortex, data[tuple(voxels.T)].T])


def write_cifti(dataset: Path, *, meshes=("midthickness", "inflated")) -> Path:
    """Write derivatives with a dtseries of every raw run beside volumes and surfaces."""
    folder = write_surfaces(dataset, meshes=meshes)
    for raw in sorted(dataset.glob("sub-*/func/*_bold.nii.gz")):
        image = nib.load(raw)
        axis = brain_models(image.shape[:3], image.affine)
        series = grayordinate_series(raw, axis)
        stem = raw.name.removesuffix("_bold.nii.gz")
        bold = folder / raw.relative_to(dataset).parent / f"{stem}_{CIFTI_SPACE}_bold.dtseries.nii"
        header = (SeriesAxis(0, 2.0, len(series)), axis)
        nib.save(nib.Cifti2Image(series, header), bold)
        sidecar = {"RepetitionTime": 2.0, "StartTime": 0.95, "TaskName": "cuetarget"}
        bold.with_name(bold.name.replace(".dtseries.nii", ".json")).write_text(json.dumps(sidecar))
    return folder
