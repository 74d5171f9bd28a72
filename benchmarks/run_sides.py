"""The sides of `run.py`: one compressed run to twenty maps on disk, timed.

All start from the same files (series, mask, finished design) and write effect, variance, t, p
and z of the same four contrasts. Run by `measure.run_side`, each in a process of its own.
"""

from pathlib import Path
from typing import Any

from measure import Sample, Stopwatch, be_a_side

MAPS = ("effect", "variance", "t", "p", "z")


def ours(folder: str, out: str, noise: str, smoothing: float | None, n_threads: int) -> Sample:
    """The interfaces of `boldglm`, one after the other, as its workflow of a run does."""
    watch = Stopwatch()
    import numpy as np

    from boldglm.glm import Design
    from boldglm.interfaces import EstimateContrasts, FitGLM
    from boldglm.io.outputs.design_files import write_design
    from data import CONDITIONS, CONTRASTS, REPETITION_TIME

    watch.lap("import")
    matrix, names = _design(folder)
    roles: Any = ["condition" if name in CONDITIONS else "confound" for name in names]
    roles[-1] = "constant"
    frame_times = np.arange(float(len(matrix))) * REPETITION_TIME
    design = Design(matrix, tuple(names), frame_times, tuple(roles))
    write_design(design, Path(out) / "design.tsv", {})
    watch.lap("prepare")
    choices: dict[str, Any] = {"noise_model": noise, "n_threads": n_threads}
    if smoothing is not None:
        choices["smoothing"] = smoothing
    fitting = FitGLM(
        bold_file=f"{folder}/bold.nii.gz",
        mask_file=f"{folder}/mask.nii.gz",
        design_file=f"{out}/design.tsv",
        **choices,
    )
    found = fitting.run(cwd=out).outputs
    watch.lap("read and fit")
    testing = EstimateContrasts(contrasts=list(CONTRASTS))
    testing.inputs.trait_set(
        fit_file=found.fit_file, mask_file=found.mask_file, mean_file=found.mean_file
    )
    written = testing.run(cwd=out).outputs
    watch.lap("contrasts and maps")
    return {"parts": watch.parts, "t_files": list(written.stat_files)}


def nilearn(folder: str, out: str, noise: str, smoothing: float | None) -> Sample:
    """A script around `nilearn.glm.first_level.FirstLevelModel`."""
    watch = Stopwatch()
    import numpy as np
    import pandas as pd
    from nilearn.glm.first_level import FirstLevelModel

    from data import CONTRASTS, REPETITION_TIME, WEIGHTS

    watch.lap("import")
    matrix, names = _design(folder)
    frame_times = np.arange(len(matrix)) * REPETITION_TIME
    design = pd.DataFrame(matrix, columns=names, index=frame_times)
    watch.lap("prepare")
    model = FirstLevelModel(
        mask_img=f"{folder}/mask.nii.gz",
        noise_model=noise,
        smoothing_fwhm=smoothing,
        minimize_memory=True,
    )
    model.fit(f"{folder}/bold.nii.gz", design_matrices=design)
    watch.lap("read and fit")
    keys = ("effect_size", "effect_variance", "stat", "p_value", "z_score")
    t_files = []
    for label, weights in zip(CONTRASTS, WEIGHTS, strict=True):
        padded = np.array([*weights, *[0] * (len(names) - len(weights))], dtype=float)
        images = model.compute_contrast(padded, stat_type="t", output_type="all")
        for kind, key in zip(MAPS, keys, strict=True):
            images[key].to_filename(_map_file(out, label, kind))
        t_files.append(_map_file(out, label, "t"))
    watch.lap("contrasts and maps")
    return {"parts": watch.parts, "t_files": t_files}


def floor(folder: str, out: str) -> Sample:
    """Ordinary least squares with no checks, records or options.

    Volumes are decompressed by isal one after the other: of the fast gzip libraries the one
    that was fastest so, and faster than libdeflate, which must have the whole file in memory.
    """
    watch = Stopwatch()
    import numpy as np

    _floor_imports()
    watch.lap("import")
    matrix, _ = _design(folder)
    watch.lap("prepare")
    bold, inside, like = _masked(folder, len(matrix))
    watch.lap("read, decompress, mask")
    mean = bold.mean(axis=0)
    bold -= mean
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    coordinates = left.T.astype(np.float32) @ bold
    squares = np.einsum("tv,tv->v", bold, bold) - np.einsum("kv,kv->v", coordinates, coordinates)
    sigma2 = squares / np.float32(len(matrix) - singular.size)
    watch.lap("fit")
    t_files = []
    for label, maps in _floor_contrasts(coordinates, sigma2, right.T / singular, len(matrix)):
        percent = 100 / mean  # the slope cancels
        maps["effect"] *= percent
        maps["variance"] *= percent**2
        for kind, values in maps.items():
            volume = np.zeros(like.shape, dtype=np.float32, order="F")
            volume.ravel(order="K")[inside] = values
            _write_map(_map_file(out, label, kind), volume, like.affine)
        t_files.append(_map_file(out, label, "t"))
    watch.lap("contrasts and maps")
    return {"parts": watch.parts, "t_files": t_files}


def _floor_imports() -> None:
    import nibabel  # noqa: F401
    from isal import igzip  # noqa: F401
    from scipy import special  # noqa: F401

    import data  # noqa: F401


def _masked(folder: str, n_scans: int) -> tuple[Any, Any, Any]:
    """Return the series in the mask, (n_scans, n_voxels), where its voxels lie, and the mask."""
    import nibabel as nib
    import numpy as np
    from isal import igzip

    mask: Any = nib.load(f"{folder}/mask.nii.gz")
    series: Any = nib.load(f"{folder}/bold.nii.gz")
    inside = np.flatnonzero(np.asarray(mask.dataobj).ravel(order="F"))
    bold = np.empty((n_scans, inside.size), dtype=np.float32)
    volume_bytes = 2 * int(np.prod(mask.shape))
    with igzip.open(f"{folder}/bold.nii.gz", "rb") as file:
        file.read(int(series.dataobj.offset))
        for row in bold:
            row[:] = np.frombuffer(file.read(volume_bytes), np.int16)[inside]
    return bold, inside, mask


def _floor_contrasts(coordinates: Any, sigma2: Any, to_betas: Any, n_scans: int) -> Any:
    """Yield name and maps of each contrast, in the stored unit."""
    import numpy as np
    from scipy.special import ndtri, stdtr

    from data import CONTRASTS, WEIGHTS

    dof = n_scans - len(coordinates)
    for label, weights in zip(CONTRASTS, WEIGHTS, strict=True):
        row = np.array(weights, dtype=float) @ to_betas[: len(weights)]
        effect = row.astype(np.float32) @ coordinates
        variance = sigma2 * np.float32(row @ row)
        t = effect / np.sqrt(variance)
        tail = stdtr(dof, -np.abs(t).astype(np.float64))
        z = np.copysign(ndtri(tail), t)
        p = np.where(t > 0, tail, 1 - tail)
        yield label, dict(zip(MAPS, (effect, variance, t, p, z), strict=True))


def _write_map(file: str, volume: Any, affine: Any) -> None:
    import nibabel as nib
    from isal import igzip

    content = igzip.compress(nib.Nifti1Image(volume, affine).to_bytes(), compresslevel=1)
    Path(file).write_bytes(content)


def _design(folder: str) -> tuple[Any, list[str]]:
    """Read the design of a run; imports are there when it is called."""
    import json

    import numpy as np

    names = json.loads(Path(f"{folder}/names.json").read_text())
    return np.load(f"{folder}/design.npy"), names


def _map_file(out: str, contrast: str, kind: str) -> str:
    label = "".join(letter for letter in contrast.title() if letter.isalnum())
    return f"{out}/contrast-{label}_stat-{kind}_statmap.nii.gz"


if __name__ == "__main__":
    be_a_side({"ours": ours, "nilearn": nilearn, "floor": floor})
