"""Maps show what is there, on the right side, at the right height."""

import numpy as np
import pytest
from matplotlib.image import imread

from boldglm.reports import maps
from boldglm.reports.backdrop import Backdrop
from boldglm.reports.mosaic import compose, lay_out, orient, palette

SHAPE = (20, 24, 16)


def rotation(degrees):
    """Turn about the left-right axis, as a tilted slice stack."""
    angle = np.deg2rad(degrees)
    turned = np.eye(4)
    turned[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turned


AFFINES = {
    "RAS": np.diag([3.0, 3, 3, 1]),
    "LAS": np.array([[-3.0, 0, 0, 60], [0, 3, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]]),
    "RPI": np.array([[3.0, 0, 0, 0], [0, -3, 0, 69], [0, 0, -3, 45], [0, 0, 0, 1]]),
    "oblique": rotation(20) @ np.diag([-3.0, 3, 3, 1]),
    "SLA": np.array([[0, -3.0, 0, 57], [0, 0, 3, 0], [3, 0, 0, 0], [0, 0, 0, 1]]),
}


def volumes(affine, world_blob, *, amplitude=8.0):
    """Noise-free map with one cube of value around a place given in turned voxels."""
    orientation = orient(affine)
    stored_shape = tuple(SHAPE[orientation.axes.index(axis)] for axis in range(3))
    stat, underlay = np.zeros(stored_shape), np.zeros(stored_shape)
    mask = np.zeros(stored_shape, dtype=bool)
    # turning gives views, so writing into them writes into the stored arrays
    orientation.turn(stat)[tuple(slice(i - 1, i + 2) for i in world_blob)] = amplitude
    orientation.turn(underlay)[...] = np.arange(SHAPE[0])[:, None, None] + 100.0
    orientation.turn(mask)[1:-1, 1:-1, 1:-1] = True
    return stat, underlay, mask


def plot_map(stat, underlay, mask, affine, threshold, path, **options):
    """Draw the voxels of a mask from volumes."""
    backdrop = Backdrop(underlay[mask], mask, affine)
    return maps.plot_map(stat[mask], backdrop, threshold, path, **options)


def picture(path):
    return imread(path)[..., :3].astype(float)


def warm(image):
    return (image[..., 0] - image[..., 2] > 0.3) & (image[..., 0] > 0.4)


def cold(image):
    return image[..., 2] - image[..., 0] > 0.3


def without_color_bar(image):
    """The mosaic: what lies left of the last broad white gap, above the words at the foot."""
    image = image[:-34]
    drawn = np.flatnonzero(image.min(axis=(0, 2)) < 0.95)
    gaps = np.flatnonzero(np.diff(drawn) >= 30)
    return image[:, : drawn[gaps[-1]] + 1]


@pytest.mark.parametrize("name", AFFINES)
def test_what_is_on_the_right_and_in_front_is_drawn_right_and_up_whatever_the_storage(name):
    affine = AFFINES[name]
    stat, underlay, mask = volumes(affine, (16, 20, 8))
    backdrop = Backdrop(underlay[mask], mask, affine)
    layout = lay_out(
        backdrop.inside, backdrop.affine, n_slices=1, width=700, gap=0, must_show=(16, 20, 8)
    )

    row = stat[mask]
    colors = backdrop.colored(row, row > 0, threshold=3.0, maximum=8.0)
    image = palette()[compose(layout, colors)] / 255

    assert backdrop.first(row > 0) == (15, 19, 7)
    rows, columns = np.nonzero(warm(image))
    assert columns.min() > 0.6 * layout.cell[1]  # right of the head, right of the picture
    assert rows.max() < 0.4 * layout.cell[0]  # front of the head, top of the picture


@pytest.mark.parametrize("name", AFFINES)
def test_the_turned_affine_leads_to_the_same_place(name):
    affine = AFFINES[name]
    stat, _, _ = volumes(affine, (16, 20, 8))
    orientation = orient(affine)

    turned = orientation.turn_affine(affine, stat.shape)

    stored = np.argwhere(stat > 0).mean(axis=0)
    np.testing.assert_allclose(
        turned[:3, :3] @ [16, 20, 8] + turned[:3, 3], affine[:3, :3] @ stored + affine[:3, 3],
        atol=1e-9,
    )  # fmt: skip
    assert (np.diag(turned)[:3] > 0).all()
    assert orientation.is_oblique == (name == "oblique")


def test_a_blob_right_of_the_middle_is_warm_right_of_the_middle_in_the_file(tmp_path):
    right = volumes(AFFINES["LAS"], (16, 12, 8))
    left = volumes(AFFINES["LAS"], (3, 12, 8))

    files = [
        plot_map(*v, AFFINES["LAS"], 3.0, tmp_path / f"{i}.png", n_slices=1)
        for i, v in enumerate((right, left))
    ]

    centers = [np.nonzero(warm(without_color_bar(picture(f))))[1].mean() for f in files]
    middle = without_color_bar(picture(files[0])).shape[1] / 2
    assert centers[0] > middle + 50
    assert centers[1] < middle - 50


def test_negative_values_are_cold_unless_the_test_is_one_sided(tmp_path):
    stat, underlay, mask = volumes(AFFINES["RAS"], (10, 12, 8), amplitude=-8.0)

    both = picture(plot_map(stat, underlay, mask, AFFINES["RAS"], 3.0, tmp_path / "z.png"))
    one = picture(
        plot_map(stat, underlay, mask, AFFINES["RAS"], 3.0, tmp_path / "F.png", two_sided=False)
    )

    assert cold(without_color_bar(both)).sum() > 100
    assert not warm(without_color_bar(both)).any()
    assert not cold(one).any()
    assert not warm(one).any()


def test_below_the_threshold_all_is_gray_and_the_picture_says_so(tmp_path):
    stat, underlay, mask = volumes(AFFINES["RAS"], (10, 12, 8), amplitude=2.9)

    nothing = picture(plot_map(stat, underlay, mask, AFFINES["RAS"], 3.0, tmp_path / "1.png"))
    something = picture(plot_map(stat, underlay, mask, AFFINES["RAS"], 2.9, tmp_path / "2.png"))

    assert np.ptp(nothing, axis=-1).max() < 0.02  # no color at all, no color bar either
    assert warm(without_color_bar(something)).any()
    message = nothing[:70, -190:]
    assert (message < 0.5).mean() > 0.02  # words in place of the color bar


def test_only_the_mask_is_drawn(tmp_path):
    stat, underlay, mask = volumes(AFFINES["RAS"], (10, 12, 8))
    mask[stat > 0] = False

    image = picture(plot_map(stat, underlay, mask, AFFINES["RAS"], 3.0, tmp_path / "m.png"))

    assert not warm(image).any()


def test_the_slice_with_the_largest_value_is_always_shown():
    mask = np.ones((10, 10, 40), dtype=bool)

    layout = lay_out(
        mask, np.diag([3.0, 3, 3, 1]), n_slices=5, width=700, gap=10, must_show=(5, 5, 23)
    )

    assert 23 in layout.slices
    assert len(layout.slices) == 5
    np.testing.assert_allclose(layout.coordinates, 3.0 * layout.slices)


def test_the_coordinate_of_an_oblique_slice_is_that_of_its_center():
    affine = rotation(20) @ np.diag([3.0, 3, 3, 1])
    mask = np.ones((11, 21, 4), dtype=bool)

    layout = lay_out(mask, affine, n_slices=4, width=700, gap=10)

    centers = np.array([[5.0, 10, k] for k in range(4)])
    np.testing.assert_allclose(layout.coordinates, (centers @ affine[:3, :3].T)[:, 2])


@pytest.mark.parametrize(
    ("shape", "plane"), [((40, 20, 1), 2), ((40, 1, 30), 1), ((1, 40, 30), 0), ((6, 10, 10), 2)]
)
def test_single_slices_and_tiny_volumes_fit(shape, plane, tmp_path):
    mask = np.ones(shape, dtype=bool)
    stat = np.zeros(shape)
    stat[tuple(n // 2 for n in shape)] = 5.0

    layout = lay_out(mask, np.diag([3.0, 3, 4, 1]), n_slices=21, width=700, gap=10)
    path = plot_map(stat, np.ones(shape), mask, np.diag([3.0, 3, 4, 1]), 3.0, tmp_path / "m.png")

    assert layout.plane == plane
    assert len(layout.slices) == shape[plane]
    assert warm(without_color_bar(picture(path))).any()


def test_pixels_keep_the_proportions_of_voxels():
    layout = lay_out(
        np.ones((20, 10, 3), dtype=bool), np.diag([2.0, 8, 3, 1]), n_slices=3, width=3000, gap=0
    )

    height, width = layout.cell
    np.testing.assert_allclose(height / width, 80 / 40, rtol=0.01)


@pytest.mark.parametrize("threshold", [0.0, np.inf])
def test_extreme_thresholds_and_values_can_be_drawn(threshold, tmp_path):
    stat, underlay, mask = volumes(AFFINES["RAS"], (10, 12, 8))
    stat[5, 5, 5], stat[6, 6, 6] = np.inf, np.nan
    underlay[3, 3, 3] = np.nan

    path = plot_map(stat, underlay, mask, AFFINES["RAS"], threshold, tmp_path / "m.png")

    assert warm(without_color_bar(picture(path))).any() == (threshold == 0)


def test_a_full_mosaic_is_small_and_repeats_to_the_byte(tmp_path):
    rng = np.random.default_rng(0)
    shape = (64, 64, 36)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    mask = (grid**2).sum(axis=0) < 0.8
    stat = rng.normal(size=shape)
    underlay = rng.normal(100, 10, size=shape)

    paths = [
        plot_map(stat, underlay, mask, np.diag([3.0, 3, 3.5, 1]), 3.0, tmp_path / f"{i}.png")
        for i in range(2)
    ]

    assert paths[0].stat().st_size < 120_000
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert picture(paths[0]).shape[1] <= 1860


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": np.zeros(SHAPE, dtype=bool), "mean": np.zeros(0)}, "mask is empty"),
        ({"mask": np.ones((2, 2, 2), dtype=bool)}, r"\(2, 2, 2\) \(8 voxels\)"),
        ({"mask": np.ones(4, dtype=bool), "mean": np.ones(4)}, "three dimensions"),
        ({"affine": np.zeros((4, 4))}, "invertible affine"),
    ],
)
def test_what_cannot_be_drawn_on_is_refused(change, message):
    _, underlay, mask = volumes(AFFINES["RAS"], (10, 12, 8))
    arguments = {"mean": underlay[mask], "mask": mask, "affine": AFFINES["RAS"]}

    with pytest.raises(ValueError, match=message):
        Backdrop(**{**arguments, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stat": np.ones(5)}, r"5544 values, one a voxel, found shape \(5,\)"),
        ({"threshold": -1.0}, "zero or more, found -1.0"),
        ({"threshold": np.nan}, "found nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message, tmp_path):
    stat, underlay, mask = volumes(AFFINES["RAS"], (10, 12, 8))
    arguments = {
        "stat": stat[mask], "backdrop": Backdrop(underlay[mask], mask, AFFINES["RAS"]),
        "threshold": 3.0, "path": tmp_path / "m.png",
    }  # fmt: skip

    with pytest.raises(ValueError, match=message):
        maps.plot_map(**{**arguments, **change})
