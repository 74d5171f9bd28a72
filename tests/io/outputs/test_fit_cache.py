"""Fits on disk."""

import numpy as np
import pytest

from boldglm.errors import BadDataError
from boldglm.glm import NOISE_MODELS, fit
from boldglm.io.outputs.fit_cache import read_fit, write_fit


def example_fit(noise="ar1", unit=1.0):
    """Return a fit and the scale of its voxels."""
    rng = np.random.default_rng(11)
    design = np.column_stack([rng.standard_normal((60, 2)), np.ones(60)])
    bold = unit * (5000 + rng.standard_normal((60, 40)))
    return fit(bold, design, noise=noise), rng.uniform(0.5, 2.0, 40)


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_a_fit_on_disk_tests_contrasts_as_the_one_in_memory(noise, unit, tmp_path):
    original, scale = example_fit(noise, unit)
    write_fit(tmp_path / "fit.npz", original, scale)

    restored, restored_scale = read_fit(tmp_path / "fit.npz")

    np.testing.assert_array_equal(restored_scale, scale)
    np.testing.assert_array_equal(restored.betas, original.betas)
    contrast, expected = restored.contrast([1, -1, 0]), original.contrast([1, -1, 0])
    assert (expected.variance > 0).all()
    for name in ("effect", "variance", "dof", "z"):
        np.testing.assert_array_equal(getattr(contrast, name), getattr(expected, name))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.npz"]


def test_the_same_fit_is_written_as_the_same_bytes(tmp_path, monkeypatch):
    write_fit(tmp_path / "first.npz", *example_fit())
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))

    write_fit(tmp_path / "second.npz", *example_fit())

    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def replaced(**changes):
    """Return a damage that replaces or removes arrays."""

    def damage(path):
        with np.load(path) as archive:
            arrays = dict(archive) | changes
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})

    return damage


def compressed(path):
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez_compressed(path, **arrays)


DAMAGE = {
    "truncated": truncated,
    "no archive": lambda path: path.write_bytes(b"\x93NUMPY"),
    "no scale": replaced(scale=None),
    "code": replaced(scale=np.array([{"a": 1}], dtype=object)),
    "compressed, perhaps without end": compressed,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_fit_is_refused_by_name(damage, tmp_path):
    path = tmp_path / "fit.npz"
    write_fit(path, *example_fit())
    damage(path)

    with pytest.raises(BadDataError, match=rf"The fit {path} cannot be read \("):
        read_fit(path)
