"""Drawings of the design hold the right names, numbers and curves."""

import base64
import io
import re
from html import unescape
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.image import imread

from boldglm.reports.designs import plot_design_matrix, plot_orthogonalization, plot_regressors
from boldglm.reports.drawing import nice_ticks
from boldglm.reports.heatmaps import plot_all_correlations, plot_contrasts, plot_correlation
from boldglm.reports.svg import Drawing

TIMES = np.arange(40) * 2.0


def words(path):
    """All text of a drawing, in order; parsing proves that the file is well-formed."""
    root = ET.parse(path).getroot()
    return [unescape("".join(t.itertext())) for t in root.iter("{http://www.w3.org/2000/svg}text")]


def embedded_picture(path):
    """The raster picture inside a drawing, (rows, columns), 0 to 1."""
    encoded = re.search(r'href="data:image/png;base64,([^"]+)"', path.read_text(), re.DOTALL)[1]
    return imread(io.BytesIO(base64.b64decode(encoded)))


@pytest.fixture
def regressors():
    return np.random.default_rng(0).normal(size=(40, 3))


def test_the_design_picture_is_the_matrix_scaled_column_by_column(tmp_path):
    matrix = np.array([[0.0, 10, 1], [2, -20, 1], [-1, 0, 1], [0, 0, 1]])

    path = plot_design_matrix(matrix, ["face", "rt", "constant"], tmp_path / "d.svg")

    gray = embedded_picture(path)
    expected = (matrix / [2, 20, 1] + 1) / 2
    upright = gray if abs(gray[0, 1] - 0.75) < 0.01 else gray[::-1]
    np.testing.assert_allclose(upright, expected, atol=1 / 128)
    assert [w for w in words(path) if w.isalpha()] == ["face", "rt", "constant", "volume"]


def test_sixty_regressors_all_have_their_names(tmp_path):
    names = [f"regressor_{number:02d}" for number in range(60)]

    path = plot_design_matrix(
        np.random.default_rng(0).normal(size=(50, 60)), names, tmp_path / "d.svg"
    )

    assert [w for w in words(path) if w.startswith("regressor")] == names
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', path.read_text())[1])
    assert width < 9.7 * 72  # fits the page unreduced, so names stay legible


def test_a_group_design_of_one_constant_column_can_be_drawn(tmp_path):
    path = plot_design_matrix(np.ones((2, 1)), ["intercept"], tmp_path / "d.svg")

    assert "intercept" in words(path)


def test_names_are_text_not_formulas_nor_markup(tmp_path):
    names = ["$5 > $1", "<script>&", "a_b^c"]

    path = plot_design_matrix(np.eye(3), names, tmp_path / "d.svg")

    assert set(names) <= set(words(path))


def test_drawings_are_the_same_bytes_each_time(tmp_path, regressors):
    first, second = (
        plot_regressors(regressors, list("abc"), TIMES, tmp_path / name, [("a", [4.0], [2.0])])
        for name in ("1.svg", "2.svg")
    )

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("n_conditions", [1, 4, 5, 20])
def test_each_condition_has_a_curve_with_its_name(tmp_path, n_conditions):
    matrix = np.random.default_rng(0).normal(size=(40, n_conditions))
    names = [f"condition {letter}" for letter in "abcdefghijklmnopqrst"[:n_conditions]]

    path = plot_regressors(matrix, names, TIMES, tmp_path / "r.svg")

    assert [w for w in words(path) if w.startswith("condition")] == names
    assert "time (s)" in words(path)
    # a curve through 40 scans has 39 line segments or a few less where it is straight
    curves = [d for d in re.findall(r' d="([^"]*)"', path.read_text()) if d.count("L") > 20]
    assert len(curves) == n_conditions


def test_events_are_bars_and_those_without_a_regressor_are_shown_as_well(tmp_path, regressors):
    plain = plot_regressors(regressors, list("abc"), TIMES, tmp_path / "plain.svg")
    events = [("a", [4.0, 20.0], [2.0, 0.0]), ("catch", [30.0], [1.0])]

    path = plot_regressors(regressors, list("abc"), TIMES, tmp_path / "r.svg", events)

    assert "catch" in words(path)
    assert "catch" not in words(plain)
    bars = re.compile('<path[^>]* fill="#c2570c"')
    assert len(bars.findall(plain.read_text())) == 0
    assert len(bars.findall(path.read_text())) == 2  # one path for all events of a strip


def test_orthogonalization_titles_say_how_much_changed(tmp_path):
    rng = np.random.default_rng(0)
    first = rng.normal(size=40)
    second = np.roll(first, 1) + rng.normal(size=40)
    first, second = first - first.mean(), second - second.mean()
    after = second - first * (first @ second) / (first @ first)
    before = np.c_[second, first]

    path = plot_orthogonalization(
        before, np.c_[after, np.zeros(40)], ["rt", "copy"], TIMES, tmp_path / "o.svg"
    )

    r = np.corrcoef(second, after)[0, 1]
    share = 100 * after.var() / second.var()
    title = f"rt: r = {r:.2f} between before and after, {share:.0f}% of its variance left"
    assert title in words(path)
    assert "copy: no variance is left" in words(path)
    assert path.read_text().count("stroke-dasharray") >= 2  # the two columns before


def test_correlations_are_numbered_and_bad_inflation_is_marked(tmp_path):
    correlations = np.array([[1, 0.87, -0.2], [0.87, 1, -0.001], [-0.2, -0.001, 1]])

    path = plot_correlation(
        correlations, ["face", "house", "rt"], np.array([6.04, 1.0, np.inf]), tmp_path / "c.svg"
    )

    text = words(path)
    assert {"0.87", "−0.20", "0.00", "6.0", "∞", "face", "house", "rt"} <= set(text)
    assert "−0.00" not in text
    svg = path.read_text()
    assert re.search(r'fill="#b3261e"[^>]*>∞<', svg)  # infinite
    assert re.search(r'fill="#c2570c"[^>]*>6\.0<', svg)  # above five
    assert re.search(r'fill="#1f5a96"[^>]*>1\.0<', svg)  # fine


def test_on_a_dark_screen_lines_and_words_are_light_and_cells_as_they_were(tmp_path):
    path = plot_correlation(np.eye(2), ["a", "b"], np.ones(2), tmp_path / "c.svg")

    dark = re.search(
        r"@media screen and \(prefers-color-scheme:dark\)\{(.*)\}</style>", path.read_text()
    )
    assert '[fill="#1b1f24"]{fill:#e4e7eb}' in dark[1]
    assert "#000000" not in dark[1]  # words on cells


def test_all_that_is_drawn_lies_inside_of_the_picture(tmp_path):
    drawing = Drawing()
    drawing.line([-50, 10], [5, 90], width=4)
    drawing.text(10, 200, "below", align="right")
    drawing.text(60, 10, "upright", is_upright=True)

    text = drawing.save(tmp_path / "d.svg").read_text()

    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups())
    left, top = map(
        float, re.search(r'<g transform="translate\(([-\d.]+) ([-\d.]+)\)', text).groups()
    )
    assert left - 52 >= 0
    assert left + 60 + 2.7 < width  # half a line of upright text
    assert 20 < top < 50  # "upright" runs up from 10 by its length
    assert top + 200 < height < top + 215


@pytest.mark.parametrize(
    ("start", "end", "ticks"),
    [(0, 238, [0, 50, 100, 150, 200]), (-0.87, 0.87, [-0.5, 0, 0.5]), (9, 0, [0, 2, 4, 6, 8]),
     (1, 1, [1])],
)  # fmt: skip
def test_ticks_are_round_values_inside_of_the_axis(start, end, ticks):
    np.testing.assert_allclose(nice_ticks(start, end, 4 if start == -0.87 else 6), ticks)


def test_many_correlations_are_drawn_without_numbers(tmp_path):
    names = [f"c{number}" for number in range(13)]

    path = plot_correlation(np.full((13, 13), 0.25), names, np.full(13, 1.5), tmp_path / "c.svg")

    assert "0.25" not in words(path)
    assert set(names) <= set(words(path))


def test_contrasts_show_weights_and_count_the_regressors_that_none_weighs(tmp_path):
    weights = np.array([[1, -1, 0, 0], [0.5, 0.5, 0, 0]])

    path = plot_contrasts(
        weights, ["difference", "mean"], ["face", "house", "drift", "constant"], tmp_path / "w.svg"
    )

    text = words(path)
    assert {"1", "−1", "0.5", "difference", "mean", "face", "house"} <= set(text)
    assert "2 more regressors have weight 0 in all contrasts" in text
    assert "drift" not in text


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda p: plot_design_matrix(np.ones((3, 2)), ["a"], p),
            r"\(3, 2\) but there are 1 names",
        ),
        (lambda p: plot_design_matrix(np.ones((0, 1)), ["a"], p), "non-empty"),
        (lambda p: plot_regressors(np.ones((3, 1)), ["a"], TIMES, p), "40 frame times .* 3 rows"),
        (
            lambda p: plot_orthogonalization(np.ones((40, 1)), np.ones((39, 1)), ["a"], TIMES, p),
            "39 rows",
        ),
        (lambda p: plot_correlation(np.eye(2), ["a", "b"], np.ones(3), p), "3 variance inflation"),
        (lambda p: plot_contrasts(np.eye(2), ["a"], ["x", "y"], p), "2 rows .* 1 names"),
        (lambda p: plot_contrasts(np.zeros((1, 2)), ["a"], ["x", "y"], p), "all contrast weights"),
    ],
)
def test_what_does_not_fit_together_is_refused_and_writes_nothing(draw, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw(tmp_path / "x.svg")

    assert list(tmp_path.iterdir()) == []


def test_all_columns_of_a_design_are_in_one_picture_by_name(tmp_path):
    names = ["cue", *(f"cosine{number:02d}" for number in range(60))]

    path = plot_all_correlations(np.eye(61), names, tmp_path / "all.svg")

    assert set(names) <= set(words(path))
    with pytest.raises(ValueError, match="1 names"):
        plot_all_correlations(np.eye(61), names[:1], tmp_path / "few.svg")
