"""Fits of more inputs than memory holds: blocks of voxels give the maps of all voxels at once."""

import nibabel as nib
import numpy as np
import pytest

from boldglm.analysis.higher_levels import input_maps
from boldglm.analysis.higher_levels.group_inference import Inference
from boldglm.analysis.higher_levels.node_fits import HigherLevelFit, NodeFits, fit_node
from boldglm.glm.inference import contrast_permutations, permuted_statistics
from boldglm.io.images.formats import read_geometry
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.stats_model.specification import ContrastSpec

SHAPE = (12, 11, 10)
N = 14
NONE = Inference()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    rng = np.random.default_rng(3)
    return [made(rng, tmp_path_factory.mktemp("input"), number) for number in range(N)]


def made(rng, folder, number, dtype=np.float32):
    """Write an input whose mask lacks a few voxels, and whose degrees of freedom may differ."""

    def write(name, values):
        nib.save(nib.Nifti1Image(values, np.eye(4)), folder / name)
        return folder / name

    mask = rng.random(SHAPE) > 0.002
    variance = rng.chisquare(20, SHAPE) / 20
    effect = rng.normal(size=SHAPE) * np.sqrt(variance + 0.3)
    effect[2:5, 2:5, 2:5] += 1.5
    effect[~mask] = variance[~mask] = 0
    maps = {
        "effect": write("effect.nii.gz", effect.astype(dtype)),
        "variance": write("variance.nii.gz", variance.astype(dtype)),
    }
    if number == 2:
        maps["dof"] = write("dof.nii.gz", rng.uniform(10, 30, SHAPE).astype(dtype))
    mean = write("mean.nii.gz", rng.normal(size=SHAPE).astype(np.float32))
    return NodeResult(
        write("mask.nii.gz", mask.astype(np.uint8)),
        mean,
        (ContrastMaps("c", "t", {"c": [1.0]}, 20.0, 1, maps),),
    )


def fits(method, *, coverage=0.7, inference=NONE, labels=None, blocks=False):
    slope = np.linspace(-1, 1, N)
    names = ("intercept", "slope")
    return NodeFits(
        tuple(map(str, range(N))),
        (
            HigherLevelFit(
                tuple((number, "c") for number in range(N)),
                names,
                tuple((1.0, float(value)) for value in slope),
                (
                    ContrastSpec("mean", names, ((1.0, 0.0),), "t"),
                    ContrastSpec("both", names, ((1.0, 0.0), (0.0, 1.0)), "F"),
                ),
                labels or (),
                tuple(str(number // 2) for number in range(N)) if blocks else (),
            ),
        ),
        method,
        coverage,
        True,
        inference=inference,
    )


def maps_of(results, node, folder):
    folder.mkdir()
    found = fit_node(results, node, folder)
    files = {
        f"{maps.name} {label}": path
        for maps in found.contrasts
        for label, path in maps.maps.items()
    }
    images = {name: nib.load(path).get_fdata() for name, path in files.items()}
    return images | {"mean": nib.load(found.mean).get_fdata()}, found


def in_blocks(monkeypatch, n_bytes):
    monkeypatch.setattr(input_maps, "BLOCK_BYTES", n_bytes)
    monkeypatch.setattr(contrast_permutations, "STREAM_BYTES", 2**16)
    monkeypatch.setattr(permuted_statistics, "STREAM_BYTES", 2**16)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "ols", "inference": Inference(90, 0.02, tfce=True)},
        {"method": "mixed", "inference": Inference(7, 0.02)},
        {"method": "fixed"},
        {"method": "ols", "labels": ("a", "b") * (N // 2)},
        {"method": "mixed", "labels": ("a", "b") * (N // 2), "coverage": 1.0},
        {"method": "ols", "blocks": True, "inference": Inference(40, 0.02)},
    ],
)
def test_blocks_of_voxels_give_the_maps_of_all_voxels_at_once(
    results, options, tmp_path, monkeypatch
):
    node = fits(**options)
    whole, _ = maps_of(results, node, tmp_path / "whole")
    in_blocks(monkeypatch, 0)  # so that blocks have 256 voxels, the fewest

    blockwise, _ = maps_of(results, node, tmp_path / "blockwise")

    assert set(whole) == set(blockwise)
    for name, values in whole.items():
        np.testing.assert_allclose(blockwise[name], values, rtol=2e-6, atol=1e-12, err_msg=name)
    assert list((tmp_path / "blockwise").glob("tmp*")) == []


def test_inputs_are_read_once_for_all_contrasts_and_permutations(results, tmp_path, monkeypatch):
    in_blocks(monkeypatch, 0)
    read, geometry = [], type(read_geometry(results[0].mask))
    original = geometry.read_map

    def counted(self, path):
        read.append(path)
        return original(self, path)

    monkeypatch.setattr(geometry, "read_map", counted)

    maps_of(results, fits("mixed", inference=Inference(3)), tmp_path / "out")

    effects = [path for path in read if path.name == "effect.nii.gz"]
    assert len(effects) == len(set(effects)) == N


def test_effects_with_the_digits_of_float64_keep_them(results, tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    folder = tmp_path / "precise"
    folder.mkdir()
    precise = made(rng, folder, 0, np.float64)
    node = fits("fixed", coverage=0.5)
    given = [*results[:-1], precise]
    whole, _ = maps_of(given, node, tmp_path / "whole")
    in_blocks(monkeypatch, 0)

    blockwise, _ = maps_of(given, node, tmp_path / "blockwise")

    np.testing.assert_array_equal(blockwise["mean effect"], whole["mean effect"])
