"""Pictures of hemispheres: what is drawn is where it belongs."""

import numpy as np
import pytest
from PIL import Image

from boldglm.notices import exclusion
from boldglm.reports.content import ContrastResult, Figure, Section, Table, Topic
from boldglm.reports.hemispheres import join_hemispheres
from boldglm.reports.mosaic import palette
from boldglm.reports.region_names import RegionNames
from boldglm.reports.surfaces import plot_surface, see_surface
from boldglm.reports.views import Shading, SurfaceView, VolumeView, draw_on_all
from icosphere import icosphere

POINTS, TRIANGLES = icosphere(4, radius=50.0)
SIDES = ("left hemisphere", "right hemisphere")


@pytest.mark.parametrize("is_left", [True, False])
@pytest.mark.parametrize("is_closed", [True, False])
def test_a_pixel_shows_the_vertex_that_lies_there_and_nearest_to_the_eye(is_left, is_closed):
    triangles = TRIANGLES if is_closed else TRIANGLES[1:]

    views = see_surface(POINTS, triangles, is_left=is_left)

    assert views.names == ("lateral", "medial")
    size = views.vertex.shape[0]
    lateral, medial = views.vertex[:, :size], views.vertex[:, -size:]
    for side, sign in ((lateral, -1 if is_left else 1), (medial, 1 if is_left else -1)):
        row, column = np.nonzero(side >= 0)
        shown = POINTS[side[row, column]]
        assert np.mean(sign * shown[:, 0] > -5) > 0.99  # the far half is hidden
        np.testing.assert_allclose(50 - 100 * row / size, shown[:, 2], atol=5)  # up is up
        forward = sign * (100 * column / size - 50)  # the front is left, seen from the left
        np.testing.assert_allclose(forward, shown[:, 1], atol=5)
        inside = np.hypot(*(np.indices(side.shape) - size / 2)) < size / 2 - 8
        assert np.mean(side[inside] >= 0) > 0.999  # no holes


def test_the_middle_faces_the_eye_and_the_rim_does_not():
    views = see_surface(POINTS, TRIANGLES, is_left=True)

    size = views.vertex.shape[0]
    middle, rim = views.light[size // 2, size // 2], views.light[size // 2, 3]
    assert middle > 0.95
    assert rim < 0.4


def picture_of(values, mask, tmp_path, **options):
    views = see_surface(POINTS, TRIANGLES, is_left=True)
    path = plot_surface(values, mask, views, 3.0, tmp_path / "map.png", **options)
    image = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return image, views


def test_colors_are_on_the_vertices_that_exceed_the_threshold_and_in_the_mask(tmp_path):
    values = np.where(POINTS[:, 2] > 20, 5.0, np.where(POINTS[:, 2] < -20, -5.0, 2.0))
    mask = POINTS[:, 1] > -10
    image, views = picture_of(values, mask, tmp_path)

    top = image.shape[0] - 34 - views.vertex.shape[0]
    drawn = image[top : top + views.vertex.shape[0], : views.vertex.shape[1]]
    there = views.vertex >= 0
    red, blue = drawn[..., 0] - drawn[..., 2] > 60, drawn[..., 2] - drawn[..., 0] > 60
    hot, cold = np.zeros(there.shape, bool), np.zeros(there.shape, bool)
    hot[there] = ((values > 3) & mask)[views.vertex[there]]
    cold[there] = ((values < -3) & mask)[views.vertex[there]]
    np.testing.assert_array_equal(red, hot)
    np.testing.assert_array_equal(blue, cold)
    assert {tuple(color) for color in drawn[hot]} <= {tuple(map(int, row)) for row in palette()}


def test_one_sided_maps_color_no_negative_values_and_say_when_nothing_is_above(tmp_path):
    values, mask = np.where(POINTS[:, 2] > 0, -9.0, 1.0), np.ones(len(POINTS), bool)

    image, _ = picture_of(values, mask, tmp_path, two_sided=False)

    assert np.abs(image - image.mean(axis=2, keepdims=True)).max() < 1  # gray throughout


def test_a_mesh_of_another_hemisphere_is_refused(tmp_path):
    with pytest.raises(ValueError, match="do not belong together"):
        picture_of(np.zeros(40), np.ones(40, bool), tmp_path)


def test_without_a_mesh_there_is_a_histogram_that_says_so_and_a_table_of_extremes(tmp_path):
    mask = np.ones(500, bool)
    mask[::5] = False
    row = np.zeros(400)
    row[[7, 9]] = [4.0, -6.5]
    view = SurfaceView(SIDES[0], slice(None), mask)

    (figure,) = draw_on_all((view,), row, Shading(3.0), tmp_path / "map01", "z map of go")
    table = view.tabulate(row, Shading(3.0), "|z| ≥ 3")

    assert figure.path.name == "map01-LeftHemisphere.svg"
    assert "No mesh with 500 vertices was found" in figure.caption
    vertices = np.flatnonzero(mask)
    assert table.columns == ("vertex", str(vertices[9]), str(vertices[7]))
    assert table.rows == (("z", "−6.50", "4.00"),)
    assert "Largest values (2 of 2)" in table.caption


def test_on_a_mesh_the_table_has_local_maxima_only():
    row = np.zeros(len(POINTS))
    peak = TRIANGLES[100, 0]
    row[TRIANGLES[100]] = 4.0
    row[peak] = 6.0
    view = SurfaceView(SIDES[0], slice(None), row == row, "x.surf.gii", POINTS, TRIANGLES)

    table = view.tabulate(row, Shading(3.0), "z ≥ 3")
    nothing = view.tabulate(row, Shading(9.0), "z ≥ 9")

    assert (table.columns, table.rows) == (("vertex", str(peak)), (("z", "6.00"),))
    assert (nothing.columns, nothing.rows) == (("vertex", "none"), (("z", ""),))


def test_peaks_are_named_by_their_region(tmp_path):
    mask = np.ones((3, 4, 2), bool)
    mask[0] = False
    order = np.random.default_rng(0).permutation(16)
    row, labels = np.zeros(30), np.zeros(30)
    row[6 + np.flatnonzero(order == 13)], labels[6 + np.flatnonzero(order == 13)] = 9.0, 7
    row[6 + np.flatnonzero(order == 0)] = 5.0  # outside all regions
    columns, affine = 6 + np.argsort(order), np.diag([-2.0, 3, 3, 1])
    regions = RegionNames(labels, {7: "V1"}).of_part(columns)
    view = VolumeView("", columns, mask, np.ones(16), affine, 3, regions)
    table = view.tabulate(row, Shading(3.0), "z ≥ 3")
    assert table.columns[-1] == "region"
    assert [each[-1] for each in table.rows] == ["V1", "—"]

    peak = TRIANGLES[100, 0]
    row = np.zeros(len(POINTS))
    row[peak] = 6.0
    regions = RegionNames(np.where(row > 0, 3, 0), {3: "S1"})
    mesh = ("x.surf.gii", POINTS, TRIANGLES)
    view = SurfaceView(SIDES[0], slice(None), row == row, *mesh, regions)
    assert view.tabulate(row, Shading(3.0), "z ≥ 3").rows == (("z", "6.00"), ("region", "S1"))
    assert len(view.tabulate(row, Shading(9.0), "z ≥ 9").rows) == 1


def test_voxels_in_another_order_are_drawn_where_they_are(tmp_path):
    mask = np.ones((3, 4, 2), bool)
    order = np.random.default_rng(0).permutation(24)
    row = np.zeros(30)
    row[6 + np.flatnonzero(order == 13)] = 9.0
    columns = 6 + np.argsort(order)
    view = VolumeView("subcortical voxels", columns, mask, np.ones(24), np.eye(4), 3)

    table = view.tabulate(row, Shading(3.0), "z ≥ 3")

    x, y, z = np.unravel_index(13, mask.shape)
    assert table.rows[0][1:4] == tuple(f"{value:.1f}" for value in (x, y, z))
    assert table.caption.startswith("Subcortical voxels. ")


def section(tmp_path, side, *, facts, dof):
    design, own = tmp_path / f"{side}-design.svg", tmp_path / f"{side}-own.svg"
    design.write_text("<svg/>")
    own.write_text(f"<svg>{side}</svg>")
    shown = Figure(own, f"z map of go ({side}).", "")
    return Section(
        "Run 1", "run-1", (("HRF", "spm"), ("Vertices", facts)), (exclusion(f"{facts} vertices"),),
        (Figure(design, "Design.", ""), Figure(own, "Whiteness.", "")),
        (Table(("a",), (("1",),), "Efficiency."),),
        (ContrastResult("go", "t", f"run-1_hemi-{side[0].upper()}_x", "z ≥ 3", dof, (shown,)),),
        topics=(
            Topic("a and b", ("They correlate.", f"{facts} vertices."),
                  (Figure(design, "Over time.", ""), Figure(own, "Estimates.", "")),
                  (Table(("SD",), ((facts,),), "Spread."), Table(("b",), (("2",),), "Allowed."))),
        ),
    )  # fmt: skip


def test_two_hemispheres_are_one_section_that_says_once_what_they_share(tmp_path):
    left = section(tmp_path, SIDES[0], facts="30", dof="100")
    right = section(tmp_path, SIDES[1], facts="31", dof="99")
    other = section(tmp_path, SIDES[0], facts="5", dof="1")

    both, alone = join_hemispheres([(("a", "R"), right), (("a", "L"), left), (("b", ""), other)])

    assert alone is other
    assert both.facts == (
        ("HRF", "spm"), ("Vertices, left hemisphere", "30"), ("Vertices, right hemisphere", "31"),
    )  # fmt: skip
    assert both.notices == (
        exclusion("left hemisphere: 30 vertices"), exclusion("right hemisphere: 31 vertices"),
    )  # fmt: skip
    assert [one.caption for one in both.figures] == [
        "Design.", "Whiteness. (Left hemisphere.)", "Whiteness. (Right hemisphere.)",
    ]  # fmt: skip
    assert len(both.tables) == 1
    (contrast,) = both.contrasts
    assert contrast.dof_text == "100 (left hemisphere); 99 (right hemisphere)"
    assert contrast.weights_text == "run-1_x"
    assert [one.caption for one in contrast.maps] == [f"z map of go ({side})." for side in SIDES]
    (topic,) = both.topics
    assert topic.paragraphs == ("They correlate.", "30 vertices.", "31 vertices.")
    assert [one.caption for one in topic.figures] == [
        "Over time.", "Estimates. (Left hemisphere.)", "Estimates. (Right hemisphere.)",
    ]  # fmt: skip
    assert [one.caption for one in topic.tables] == [
        "Left hemisphere. Spread.", "Allowed.", "Right hemisphere. Spread.",
    ]  # fmt: skip
