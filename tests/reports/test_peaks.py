"""Peaks are found where they were planted, in millimeters."""

import re

import numpy as np
import pytest
from scipy.stats import norm

from boldglm.glm import benjamini_hochberg
from boldglm.reports import peaks as reports_peaks
from boldglm.reports.histograms import draw_null_histogram
from boldglm.reports.html import numeric_columns
from boldglm.reports.peaks import Peak, peaks_table
from boldglm.reports.sections import DrawnContrast, p_values_of

# turned, flipped, anisotropic and shifted: the first array axis runs to the back
AFFINE = np.array([[0, -2.0, 0, 30], [-3, 0, 0, 40], [0, 0, 4, -20], [0, 0, 0, 1]])


def find_peaks(stat, affine, threshold, **options):
    """Look in all of a volume."""
    mask = np.ones(stat.shape, dtype=bool)
    return reports_peaks.find_peaks(stat.ravel(), mask, affine, threshold, **options)


def planted(shape=(20, 20, 20), **values):
    stat = np.zeros(shape)
    for place, value in values.items():
        stat[tuple(int(i) for i in place[1:].split("_"))] = value
    return stat


def test_a_planted_blob_is_found_at_its_place_in_millimeters():
    stat = planted()
    stat[4:7, 9:12, 2:4] = 4.0
    stat[5, 10, 3] = 6.5

    (peak,) = find_peaks(stat, AFFINE, 3.0)

    # x = -2·10 + 30, y = -3·5 + 40, z = 4·3 - 20; 3·3·2 voxels of 24 mm³
    assert peak == Peak(10.0, 25.0, -8.0, 6.5, 18, 432.0)


def test_positive_and_negative_peaks_are_sorted_by_size():
    stat = planted(v2_2_2=4.0, v10_10_10=-6.0, v17_17_17=5.0)

    both = find_peaks(stat, AFFINE, 3.0)
    positive = find_peaks(stat, AFFINE, 3.0, two_sided=False)

    assert [peak.value for peak in both] == [-6.0, 5.0, 4.0]
    assert [peak.value for peak in positive] == [5.0, 4.0]
    assert [peak.value for peak in both[:1]] == [-6.0]


def test_neighbors_of_opposite_sign_are_two_clusters():
    peaks = find_peaks(planted(v5_5_5=4.0, v5_5_6=-5.0), np.eye(4), 3.0)

    assert [(peak.value, peak.cluster_size) for peak in peaks] == [(-5.0, 1), (4.0, 1)]


def test_voxels_that_share_an_edge_are_one_cluster_and_a_corner_is_not_enough():
    edge = find_peaks(planted(v5_5_5=5.0, v5_6_6=4.0), np.eye(4), 3.0)
    corner = find_peaks(planted(v5_5_5=5.0, v6_6_6=4.0), np.eye(4), 3.0)

    assert [peak.cluster_size for peak in edge] == [2]
    assert [peak.cluster_size for peak in corner] == [1, 1]


@pytest.mark.parametrize(("distance", "n_peaks"), [(6, 1), (7.9, 1), (8, 2), (12, 2)])
def test_peaks_of_one_cluster_keep_their_distance(distance, n_peaks):
    stat = planted((30, 5, 5))
    stat[:, 2, 2] = 3.5
    stat[5, 2, 2], stat[15, 2, 2] = 6.0, 5.0
    affine = np.diag([distance / 10, 3, 3, 1])

    peaks = find_peaks(stat, affine, 3.0, min_distance=8.0)

    assert [peak.value for peak in peaks if peak.value > 4] == [6.0, 5.0][:n_peaks]


def test_peaks_of_some_voxels_of_a_volume_are_where_they_are():
    rng = np.random.default_rng(3)
    mask = rng.random((9, 8, 7)) < 0.7
    stat = np.where(mask, rng.standard_normal(mask.shape), 0.0)

    found = reports_peaks.find_peaks(stat[mask], mask, AFFINE, 1.5)

    assert len(found) > 5
    assert list(found) == list(find_peaks(stat, AFFINE, 1.5))


def test_near_peaks_of_two_clusters_both_stay():
    peaks = find_peaks(planted(v5_5_5=5.0, v5_5_7=4.0), np.eye(4), 3.0, min_distance=8.0)

    assert [peak.value for peak in peaks] == [5.0, 4.0]


def test_every_cluster_of_noise_has_a_peak_that_is_its_maximum():
    from scipy import ndimage

    stat = np.random.default_rng(0).normal(size=(15, 15, 15))
    labels, n_clusters = ndimage.label(stat >= 1.5, ndimage.generate_binary_structure(3, 2))

    peaks = find_peaks(stat, np.eye(4), 1.5, two_sided=False, min_distance=100.0)

    expected = sorted(ndimage.maximum(stat, labels, range(1, n_clusters + 1)), reverse=True)
    np.testing.assert_allclose([peak.value for peak in peaks], expected)


def test_a_peak_at_the_edge_of_the_volume_and_the_threshold_itself_count():
    (peak,) = find_peaks(planted(v0_0_19=3.0), AFFINE, 3.0)

    assert (peak.x, peak.y, peak.z) == (30.0, 40.0, 56.0)


def test_a_flat_top_is_one_peak():
    stat = planted()
    stat[5:8, 5:8, 5:8] = 5.0

    assert len(find_peaks(stat, np.diag([2.0, 2, 2, 1]), 3.0)) == 1


def test_nan_and_empty_maps_have_no_peaks():
    assert not find_peaks(np.full((3, 3, 3), np.nan), np.eye(4), 3.0)
    assert not find_peaks(np.zeros((3, 3, 3)), np.eye(4), 3.0)


@pytest.mark.parametrize("threshold", [0.0, -2.0, np.nan])
def test_a_threshold_that_keeps_everything_is_refused(threshold):
    with pytest.raises(ValueError, match="positive threshold"):
        find_peaks(np.ones((3, 3, 3)), np.eye(4), threshold)


def test_the_table_has_clusters_with_sub_peaks_and_counts_the_rest():
    stat = planted((40, 9, 9))
    stat[:, 2, 2] = 3.5  # one cluster along x with five peaks
    stat[[2, 10, 18, 26, 34], 2, 2] = 9.0, 8.0, 7.0, 6.0, 5.0
    stat[5, 7, 7], stat[20, 7, 7] = -8.5, 4.0
    mask = np.ones(stat.shape, dtype=bool)
    affine = np.diag([2.0, 3, 3, 1])
    peaks = reports_peaks.find_peaks(stat.ravel(), mask, affine, 3.0)
    p = np.linspace(0, 1, stat.size)

    table = peaks_table(
        peaks,
        statistic="z",
        threshold_text="|z| ≥ 3",
        p_values={"p": p, "q FDR": p / 1e4},
        max_clusters=2,
        space="MNI",
    )

    assert table.columns == (
        *("cluster", "x (mm)", "y (mm)", "z (mm)", "z", "p", "q FDR", "voxels", "mm³"),
    )
    assert [row[0] for row in table.rows] == ["1", "1a", "1b", "1c", "2"]
    assert [row[4] for row in table.rows] == ["9.00", "8.00", "7.00", "6.00", "−8.50"]
    assert [row[1:4] for row in table.rows][1::3] == [
        ("20.0", "6.0", "6.0"),
        ("10.0", "21.0", "21.0"),
    ]
    assert [row[7:] for row in table.rows] == [("40", "720"), *[("", "")] * 3, ("1", "18")]
    at = np.ravel_multi_index((10, 2, 2), stat.shape)
    assert table.rows[1][5] == f"{p[at]:.3f}"
    assert re.fullmatch(r"\d\.\de−\d", table.rows[1][6])
    assert table.caption.startswith(
        "The 2 of 3 clusters with the largest peaks at |z| ≥ 3, each with up to three more peaks "
        "(a, b, c) at least 8 mm apart; coordinates in MNI"
    )
    assert numeric_columns(table) == (False, *[True] * 8)


@pytest.mark.parametrize(("test", "sides"), [("t", "two"), ("t", "one"), ("F", "two")])
def test_p_and_q_are_of_the_sides_of_the_test_and_of_the_voxels_that_were_tested(test, sides):
    z = np.array([-4.0, 0.0, 3.0, 1.0])

    values = p_values_of(DrawnContrast("a", test, "", "", z, sides))

    expected = 2 * norm.sf(abs(z)) if (test, sides) == ("t", "two") else norm.sf(z)
    np.testing.assert_allclose(values["p"], expected)
    np.testing.assert_allclose(values["q FDR"][[0, 2, 3]], benjamini_hochberg(expected[[0, 2, 3]]))
    assert values["q FDR"][1] == 1


def test_corrected_values_that_were_written_are_those_of_the_table():
    written = {"q FDR": np.array([0.2]), "p FWE": np.array([0.3])}

    values = p_values_of(DrawnContrast("a", "t", "", "", np.array([2.0]), "two", written))

    assert list(values) == ["p", "q FDR", "p FWE"]
    assert values["q FDR"] is written["q FDR"]


def test_a_histogram_says_how_z_is_distributed(tmp_path):
    z = np.r_[np.random.default_rng(0).normal(0.5, 2, size=5000), 40.0, 0.0, np.nan]

    figure = draw_null_histogram(z, tmp_path / "map01", "cue")

    tested = z[:5001]
    words = f"median {np.median(tested):.2f}, standard deviation {tested.std():.2f}"
    assert f"over 5,001 values: {words};" in figure.alt
    assert "beyond" in figure.caption
    assert "expected without effects" in figure.path.read_text()
    assert draw_null_histogram(np.zeros(3), tmp_path / "map02", "cue").path.is_file()
