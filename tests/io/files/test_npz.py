"""Arrays in npz files."""

import numpy as np
import pytest

from boldglm.glm import fit
from boldglm.glm.first_level.fit import Fit
from boldglm.io.files.npz import write_arrays


def test_numpy_reads_what_was_written(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "matrix": rng.normal(size=(3, 5)),
        "turned": rng.normal(size=(4, 6)).T,
        "part": rng.normal(size=(6, 6))[::2, 1:4],
        "names": np.array(["a", "trial_type.bß"]),
        "number": np.array(7),
        "empty": np.empty((0, 3)),
        "mask": rng.random(9) < 0.5,
    }

    write_arrays(tmp_path / "all.npz", arrays)

    with np.load(tmp_path / "all.npz") as found:
        assert set(found) == set(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)
            assert found[name].dtype == values.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["all.npz"]


def test_a_fit_comes_back_in_every_bit(tmp_path):
    rng = np.random.default_rng(1)
    design = np.column_stack([rng.normal(size=(50, 2)), np.ones(50)])
    made = fit(rng.normal(100, 3, (50, 40)), design, noise="ar1")

    write_arrays(tmp_path / "fit.npz", made.to_arrays())

    with np.load(tmp_path / "fit.npz") as arrays:
        found = Fit.from_arrays(arrays)
    np.testing.assert_array_equal(found.betas, made.betas)
    np.testing.assert_array_equal(found.contrast([1, -1, 0]).z, made.contrast([1, -1, 0]).z)


def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path):
    with pytest.raises(TypeError):
        write_arrays(tmp_path / "all.npz", {"good": np.ones(3), "bad": np.array([object()])})

    assert list(tmp_path.iterdir()) == []
