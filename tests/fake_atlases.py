"""Atlases on the grid of a dataset: boxes, and pieces of surfaces."""

from pathlib import Path

import nibabel as nib
import numpy as np

TABLE_OF_REGIONS = (
    "participant_id\tcontrast\tindex\tname\tsize\tcoverage\teffect\tvariance\tdof\tt\tF\tz\tp\n"
    "sub-01\tgo\t1\tleft\t20\t0.5\t0.25\t0.01\t50\t2.5\tn/a\t2.4\t0.016\n"
    "sub-01\tgo\t7\tV1\t0\t0\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\n"
    "sub-01\tany go\t1\tleft\t20\t0.5\tn/a\tn/a\t50\tn/a\t3\t1.4\t0.05\n"
    "sub-01\tany go\t7\tV1\t0\t0\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\n"
)
OUTSIDE = 99  # label of a region that no mask has


def box_labels(shape: tuple[int, ...], step: int = 5) -> np.ndarray:
    """Return labels of boxes with edges of some voxels, and one voxel of `OUTSIDE`."""
    blocks = [-(-size // step) for size in shape]
    i, j, k = (index // step for index in np.indices(shape))
    labels = 1 + i + blocks[0] * (j + blocks[1] * k)
    labels[0, 0, 0] = OUTSIDE
    return labels.astype(np.int16)


def write_names(path: Path, labels: np.ndarray) -> Path:
    """Write a table that names every label."""
    rows = "".join(f"{label}\tbox {label}\n" for label in np.unique(labels) if label)
    path.write_text(f"index\tname\n{rows}")
    return path


def write_boxes(folder: Path, bold: Path, name: str = "atlas-Boxes") -> Path:
    """Write an atlas of boxes on the grid of a series, with its table; return the image."""
    image = nib.load(bold)
    labels = box_labels(image.shape[:3])
    path = folder / f"{name}_dseg.nii.gz"
    nib.save(nib.Nifti1Image(labels, image.affine), path)
    write_names(folder / f"{name}_dseg.tsv", labels)
    return path


def write_hemispheres(folder: Path, n_vertices: int, n_labels: int = 4) -> list[Path]:
    """Write labels of both hemispheres in GIFTI, which name themselves; return the images."""
    labels = (1 + np.arange(n_vertices) * n_labels // n_vertices).astype(np.int32)
    labels[:5] = 0
    paths = []
    for side, structure in (("L", "CortexLeft"), ("R", "CortexRight")):
        table = nib.gifti.GiftiLabelTable()
        for key in range(n_labels + 1):
            label = nib.gifti.GiftiLabel(key)
            label.label = f"{side} piece {key}"
            table.labels.append(label)
        array = nib.gifti.GiftiDataArray(labels, intent="NIFTI_INTENT_LABEL")
        meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
        image = nib.GiftiImage(darrays=[array], labeltable=table, meta=meta)
        path = folder / f"tpl-fsaverage_hemi-{side}_den-10k_atlas-Pieces_dseg.label.gii"
        nib.save(image, path)
        paths.append(path)
    return paths


def write_dlabel(path: Path, models, labels: np.ndarray, names: dict[int, str]) -> Path:
    """Write labels of grayordinates in CIFTI."""
    table = {0: ("???", (0, 0, 0, 0))} | {key: (name, (1, 0, 0, 1)) for key, name in names.items()}
    maps = nib.cifti2.LabelAxis([path.name], [table])
    nib.save(nib.Cifti2Image(labels[np.newaxis].astype(np.float32), (maps, models)), path)
    return path
