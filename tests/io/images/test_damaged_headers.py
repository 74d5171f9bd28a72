"""Whatever a damaged header says, a file is read or refused in words, and takes no memory."""

import contextlib
import logging
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import SeriesAxis

from boldglm.errors import BoldglmError
from boldglm.io.images.bold_series import LoadSettings, load_run
from boldglm.io.images.formats import read_geometry
from fake_surfaces import brain_models, write_gifti

N_TRIALS = 80
SPOILT = {"x.nii": 352, "y.nii": 544, "mask.nii": 352, "x.dtseries.nii": 4000, "x.func.gii": 4000}


def write_image(path):
    rng = np.random.default_rng(0)
    if path.name.endswith(".func.gii"):
        series = rng.normal(100, 1, (12, 50)).astype(np.float32)
        write_gifti(path, series, ["TIME_SERIES"] * len(series))
    elif path.name.endswith(".dtseries.nii"):
        axis = brain_models((9, 10, 8), np.eye(4))
        data = rng.normal(100, 1, (12, len(axis))).astype(np.float32)
        nib.save(nib.Cifti2Image(data, (SeriesAxis(0, 2, 12), axis)), path)
    else:
        image_class = nib.Nifti2Image if path.name == "y.nii" else nib.Nifti1Image
        data = rng.integers(0, 900, (6, 7, 5, 12)).astype(np.int16)
        nib.save(image_class(data[..., 0] if path.name == "mask.nii" else data, np.eye(4)), path)


@pytest.mark.parametrize("name", SPOILT)
def test_changed_bytes_end_in_values_or_in_a_message(tmp_path, name):
    logging.getLogger("nibabel").setLevel(logging.CRITICAL)
    path = tmp_path / name
    write_image(path)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    outcomes = []
    tracemalloc.start()

    for _ in range(N_TRIALS):
        content = bytearray(whole)
        for place in rng.integers(0, min(SPOILT[name], len(whole)), rng.integers(1, 6)):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content)
        with contextlib.suppress(BoldglmError), np.errstate(all="ignore"):
            if name == "mask.nii":
                outcomes.append(read_geometry(path))
            else:
                outcomes.append(load_run(path, None, LoadSettings(signal_scaling="none")).geometry)

    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    assert len(outcomes) < N_TRIALS
