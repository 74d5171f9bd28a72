"""Contrast images of SPM: ``con_0001.nii``, with their names and variances from ``SPM.mat``.

The variance of a t contrast is the map ``ResMS.nii`` times c' Bcov c, as in SPM's own t maps.
"""

import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError, matfile_version

from boldglm.errors import BadDataError
from boldglm.io.first_levels.labels import entities_of_path
from boldglm.io.first_levels.maps import FirstLevelMaps
from boldglm.notices import Notice, warning

SETUP = "SPM.mat"
HDF5 = 2  # what `matfile_version` calls version 7.3
_CON = re.compile(r"con_(\d{4})\.nii(\.gz)?")
_DESCRIPTION = re.compile(r"^(?:SPM )?contrast(?: -)? (\d+): (.*)$", re.IGNORECASE)


def is_spm(names: list[str]) -> bool:
    """Tell whether the files of a folder are those of an analysis of SPM with contrasts."""
    return SETUP in names and any(_CON.fullmatch(name) for name in names)


def spm_maps(root: Path, folder: Path) -> tuple[list[FirstLevelMaps], list[Notice]]:
    """Return the t contrasts of a folder of SPM.

    Parameters
    ----------
    root : Path
        The folder that was given, in which it lies.
    folder : Path
        A folder with ``SPM.mat``.

    Raises
    ------
    BadDataError
        If ``SPM.mat`` is damaged, or an image has no name.
    """
    entities = entities_of_path(folder.relative_to(root.parent))
    setup, notices = _read(folder / SETUP)
    contrasts = {} if setup is None else _contrasts(setup)
    residuals, mask = _image(folder, "ResMS"), _image(folder, "mask")
    found = []
    for path in sorted(folder.iterdir()):
        match = _CON.fullmatch(path.name)
        if match is None:
            continue
        number = int(match[1])
        contrast = contrasts.get(number)
        name = str(contrast.name) if contrast is not None else _described_name(path)
        factor = None if setup is None else _factor(setup, contrast)
        has_variance = factor is not None and residuals is not None
        found.append(
            FirstLevelMaps(
                entities,
                name,
                path,
                variance=residuals if has_variance else None,
                variance_factor=factor if factor is not None else 1.0,
                dof=_dof(setup) if has_variance else None,
                mask=mask,
            )
        )
    return found, notices


def _read(path: Path) -> tuple[Any, list[Notice]]:
    """Return the structure SPM; None, with a notice, if the file is of a format without reader."""
    try:
        if matfile_version(path)[0] == HDF5:
            return None, [
                warning(
                    f"{path} is a file of MATLAB's version 7.3, which cannot be read, so its "
                    "contrasts have no variances, and their names are from the headers of the "
                    "images. To use the variances, load it in MATLAB and save it with -v7"
                )
            ]
        return loadmat(path, struct_as_record=False, squeeze_me=True)["SPM"], []
    except (ValueError, KeyError, TypeError, OSError, MatReadError) as error:
        raise BadDataError(
            f"{path} cannot be read as SPM's ({type(error).__name__}: {error}). Copy it again, or "
            "list the images in a table."
        ) from error


def _contrasts(setup: Any) -> dict[int, Any]:
    """Return the contrasts by their number, which file names have."""
    listed = np.atleast_1d(getattr(setup, "xCon", np.array([])))
    return {number: each for number, each in enumerate(listed, 1) if hasattr(each, "name")}


def _factor(setup: Any, contrast: Any) -> float | None:
    """Return c' Bcov c; None if the model was not estimated, or for another test than t."""
    covariance = getattr(getattr(setup, "xX", None), "Bcov", None)
    if contrast is None or covariance is None or str(contrast.STAT) != "T":
        return None
    weights = np.atleast_1d(np.asarray(contrast.c, dtype=float)).ravel()
    matrix = np.atleast_2d(
        covariance.toarray() if hasattr(covariance, "toarray") else np.asarray(covariance, float)
    )
    if matrix.shape != (weights.size, weights.size):
        return None
    return float(weights @ matrix @ weights)


def _dof(setup: Any) -> float | None:
    value = getattr(setup.xX, "erdf", None)
    return float(value) if value is not None and np.size(value) == 1 else None


def _described_name(path: Path) -> str:
    """Return the name of a contrast that the header of its image has."""
    header: Any = nib.load(path).header
    text = bytes(header["descrip"].tobytes()).rstrip(b"\0").decode("latin-1").strip()
    match = _DESCRIPTION.match(text)
    return match[2].strip() if match and match[2].strip() else path.name.split(".", 1)[0]


def _image(folder: Path, stem: str) -> Path | None:
    paths = (folder / f"{stem}{ending}" for ending in (".nii", ".nii.gz"))
    return next((path for path in paths if path.is_file()), None)
