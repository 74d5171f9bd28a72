"""Fits above the run over maps on disk: which inputs count at which voxel."""

import weakref
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from boldglm.analysis.higher_levels import input_maps, shared_mask
from boldglm.analysis.higher_levels.node_fits import NodeFits, fit_node
from boldglm.io.outputs.records import ContrastMaps, NodeResult

SHAPE = (2, 2, 1)


def write(path, values):
    image = nib.Nifti1Image(np.asarray(values, dtype=np.float32).reshape(SHAPE), np.eye(4))
    nib.save(image, path)
    return path


def result(folder, effect, variance, mask=(1, 1, 1, 1)):
    folder.mkdir()
    mask = write(folder / "mask.nii.gz", mask)
    maps = {"effect": write(folder / "effect.nii.gz", effect),
            "variance": write(folder / "variance.nii.gz", variance)}  # fmt: skip
    mean = write(folder / "mean.nii.gz", np.ones(4))
    return NodeResult(mask, mean, (ContrastMaps("c", "t", {"c": [1.0]}, 50.0, 1, maps),))


def fitted(tmp_path, method, coverage, *inputs, smoothing=None):
    results = [result(tmp_path / str(k), *one) for k, one in enumerate(inputs)]
    names = [str(k) for k in range(len(inputs))]
    whole = NodeFits.of_means([["c"]] * len(inputs), names, method=method)
    fits = replace(whole, coverage=coverage, smoothing=smoothing)
    (tmp_path / "out").mkdir()
    (maps,) = fit_node(results, fits, tmp_path / "out").contrasts
    return {label: nib.load(path).get_fdata().ravel() for label, path in maps.maps.items()}


def test_a_voxel_where_an_input_could_not_be_estimated_is_no_effect_of_zero(tmp_path):
    lacking = ([0, 3, 0, 1], [0, 1, 1, 1])  # at the third the effect is 0, and known to be
    others = [([1, 2, 3, 4], [1, 1, 1, 1]), ([2, 4, 6, 5], [1, 1, 1, 1])]
    maps = fitted(tmp_path, "ols", 0.5, lacking, *others)
    np.testing.assert_allclose(maps["effect"], [1.5, 3, 3, 10 / 3], rtol=1e-6)


def test_a_voxel_that_too_few_inputs_have_is_not_tested(tmp_path):
    lacking = ([0, 3, 1, 1], [0, 1, 1, 1])
    other = ([1, 2, 3, 4], [1, 1, 1, 1])
    maps = fitted(tmp_path, "ols", 1.0, lacking, other)
    assert maps["t"][0] == maps["effect"][0] == 0
    assert (maps["t"][1:] != 0).all()


def test_the_mask_of_a_node_holds_the_voxels_of_at_least_the_coverage_of_its_inputs(tmp_path):
    # voxel k is in the masks of k + 1 of 4 inputs, of which a coverage of 0.6 needs 2.4, so 3
    results = [
        result(tmp_path / str(k), [1 + k, 2, 3, 4], [1, 1, 1, 1], mask=np.arange(4) >= 3 - k)
        for k in range(4)
    ]
    fits = NodeFits.of_means([["c"]] * 4, list("abcd"), method="ols")
    (tmp_path / "out").mkdir()

    node = fit_node(results, replace(fits, coverage=0.6), tmp_path / "out")

    assert nib.load(node.mask).get_fdata().ravel().tolist() == [0, 0, 1, 1]
    assert node.mask_size == {"Analyzed": 2, "Excluded": 2}
    assert "2 voxels: they are in the masks of fewer than 3 of 4 inputs" in map(str, node.notices)


def test_what_is_not_known_is_neither_smoothed_nor_smeared_over_its_neighbors(tmp_path):
    lacking = ([0, 3, 5, 1], [0, 1, 1, 1])
    others = [([1, 2, 3, 4], [1, 1, 1, 1]), ([2, 4, 6, 5], [1, 1, 1, 1])]

    maps = fitted(tmp_path, "ols", 0.5, lacking, *others, smoothing=200.0)

    # so wide that everywhere is the mean over what is known: 3, 2.5 and 4.25
    np.testing.assert_allclose(maps["effect"], [6.75 / 2, 3.25, 3.25, 3.25], rtol=1e-3)


def test_the_masks_of_inputs_are_gone_while_their_effects_are_fitted(tmp_path, monkeypatch):
    read, estimate, left = shared_mask.read_geometry, input_maps.fit_second_level, []
    masks = []

    def noted(path):
        geometry = read(path)
        masks.append(weakref.ref(geometry.mask))
        return geometry

    def counted(*given, **options):
        left.append(sum(mask() is not None for mask in masks))
        return estimate(*given, **options)

    monkeypatch.setattr(shared_mask, "read_geometry", noted)
    monkeypatch.setattr(input_maps, "fit_second_level", counted)

    fitted(tmp_path, "ols", 1.0, *[([1, 2, 3, k], [1, 1, 1, 1]) for k in range(5)])

    assert len(masks) == 5
    assert left == [0]


def test_a_coverage_of_half_of_three_inputs_means_two(tmp_path):
    # the first voxel has one input, the second two, the others three
    first = ([1, 3, 1, 1], [1, 1, 1, 1])
    second = ([0, 2, 3, 4], [0, 1, 1, 1])
    third = ([0, 0, 4, 6], [0, 0, 1, 1])

    maps = fitted(tmp_path, "ols", 0.5, first, second, third)

    np.testing.assert_array_equal(maps["t"] != 0, [False, True, True, True])


@pytest.mark.parametrize(
    ("method", "smoothing", "labels"),
    [("fixed", None, ("effect", "variance")), ("ols", None, ("effect",)),
     ("ols", 4.0, ("effect",))],
)  # fmt: skip
def test_the_sources_of_a_map_are_the_maps_that_came_in(tmp_path, method, smoothing, labels):
    values = ([1, 2, 3, 4], [1, 1, 1, 1])
    results = [result(tmp_path / str(k), *values) for k in range(3)]
    lacking = replace(results[1], contrasts=())  # has no such contrast
    fits = NodeFits.of_means([["c"]] * 3, list("abc"), method=method)
    (tmp_path / "out").mkdir()

    node = fit_node(
        [results[0], lacking, results[2]], replace(fits, smoothing=smoothing), tmp_path / "out"
    )

    read = [result.contrasts[0].maps[label] for result in results[::2] for label in labels]
    assert node.contrasts[0].sources == tuple(read)
    assert node.sources["Mask"] == tuple(result.mask for result in results)
    assert NodeResult.from_dict(node.to_dict()).contrasts[0].sources == tuple(read)
