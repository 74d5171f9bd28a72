"""Maps for the viewer hold the values and places of the maps, and a browser shows them."""

import html
import json
import re
import shutil
import subprocess
import zlib
from base64 import b64decode

import numpy as np
import pytest
from matplotlib.image import imread

from boldglm.reports.alternative_text import describe_map
from boldglm.reports.backdrop import Backdrop
from boldglm.reports.content import ContrastResult, Report, Section, Table
from boldglm.reports.glass import plot_glass_brain
from boldglm.reports.html import render_report
from boldglm.reports.volumes import pack_volume

SHAPE = (9, 11, 8)
# stored from right to left and from front to back, shifted
AFFINE = np.array([[-3.0, 0, 0, 12], [0, -2, 0, 10], [0, 0, 4, -8], [0, 0, 0, 1]])
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def mask():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:8, 2:10, 1:7] = True
    mask[3, 4, 2] = False
    return mask


@pytest.fixture
def values(mask):
    return np.random.default_rng(0).normal(size=np.count_nonzero(mask)) * 3


@pytest.fixture
def backdrop(mask):
    return Backdrop(np.linspace(1, 5, np.count_nonzero(mask)), mask, AFFINE)


def unpacked(path):
    """Read a packed map as a viewer does: values where the mean image is not 0."""
    content = json.loads(path.read_text())
    shape = content["Shape"]
    base = np.frombuffer(zlib.decompress(b64decode(content["Base"])), np.uint8).reshape(shape)
    differences = np.frombuffer(zlib.decompress(b64decode(content["Values"])), np.uint8)
    codes = np.cumsum(differences, dtype=np.uint8).view(np.int8).astype(int)
    volume = np.zeros(shape)
    volume[base > 0] = np.sign(codes) * np.array(content["Levels"])[np.abs(codes)]
    return content, base, volume


def test_every_voxel_of_a_packed_map_is_at_its_place_with_its_value(
    mask, values, backdrop, tmp_path
):
    content, base, volume = unpacked(pack_volume(values, backdrop, 3.0, tmp_path / "v.json"))

    assert np.count_nonzero(base) == values.size
    to_voxel = np.linalg.inv(AFFINE)
    for index, value in zip(np.argwhere(base > 0), volume[base > 0], strict=True):
        place = np.array(content["Affine"]) @ [*index, 1]
        i, j, k = np.rint(to_voxel @ [*place, 1])[:3].astype(int)
        stored = np.zeros(SHAPE)
        stored[mask] = values
        assert mask[i, j, k]
        assert abs(stored[i, j, k] - value) <= max(0.05, 0.02 * abs(value)) + 1e-3
    start = volume[tuple(content["Start"])]
    assert abs(start) == np.abs(volume).max()


def test_large_values_keep_their_size_and_what_is_not_finite_is_zero(backdrop, values, tmp_path):
    values[:4] = 60.0, -60.0, np.nan, np.inf

    content, _, volume = unpacked(pack_volume(values, backdrop, 3.0, tmp_path / "v.json"))

    assert (volume.max(), volume.min()) == (60.0, -60.0)
    assert len(content["Levels"]) == 128
    assert np.count_nonzero(np.abs(np.diff(content["Levels"][:80]) - 0.1) > 1e-9) == 0


def test_a_map_of_zeros_and_a_map_without_anything_above_the_threshold_can_be_packed(
    backdrop, values, tmp_path
):
    _, _, nothing = unpacked(pack_volume(np.zeros_like(values), backdrop, 3.0, tmp_path / "0"))
    content, _, _ = unpacked(pack_volume(values / 9, backdrop, np.inf, tmp_path / "1"))

    assert not nothing.any()
    assert content["Threshold"] is None


def test_packed_maps_repeat_to_the_byte(backdrop, values, tmp_path):
    first, second = (pack_volume(values, backdrop, 3.0, tmp_path / name) for name in "ab")

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_glass_brain_shows_the_largest_value_of_a_line_of_sight_on_its_side(
    mask, backdrop, tmp_path, sign
):
    stored = np.zeros(SHAPE)
    stored[2, 5, 3] = sign * 5.0  # x = 6 mm: on the right
    stored[2, 5, 5] = -sign * 4.0

    path = plot_glass_brain(stored[mask], backdrop, 3.0, tmp_path / "g.png")
    one_sided = plot_glass_brain(stored[mask], backdrop, 3.0, tmp_path / "o.png", two_sided=False)

    image = imread(path)[..., :3].astype(float)
    warm = (image[..., 0] - image[..., 2] > 0.3) & (image[..., 0] > 0.4)
    cold = image[..., 2] - image[..., 0] > 0.3
    top = slice(2 * image.shape[1] // 3, None)  # the last of the three
    shown, hidden = (warm, cold) if sign > 0 else (cold, warm)
    assert shown[:, top].any()
    assert not hidden[:, top].any()  # below or above the larger one
    drawn = np.flatnonzero((image[:, top] < 0.95).any(axis=(0, 2)))
    assert np.nonzero(shown[:, top])[1].mean() > drawn.mean()
    assert hidden.any()  # seen from the side
    image = imread(one_sided)[..., :3].astype(float)
    assert not (image[..., 2] - image[..., 0] > 0.3).any()


def test_alternative_texts_name_extent_peak_and_side(backdrop, values, mask):
    stored = np.zeros(SHAPE)
    stored[2, 5, 3], stored[6, 5, 3] = 5.0, -4.0

    text = describe_map(
        stored[mask], backdrop.places, threshold=3.0, statistic="z", two_sided=True
    )
    one = describe_map(
        stored[mask], backdrop.places, threshold=4.5, statistic="z", two_sided=False
    )
    none = describe_map(values / 99, backdrop.places, threshold=3, statistic="z", two_sided=True)

    assert f"2 of {values.size} voxels have |z| ≥ 3: 1 positive, 1 negative." in text
    assert "Largest: z = 5 at x = 6, y = 0, z = 4 mm, right." in text
    assert "Smallest: z = −4 at x = −6, y = 0, z = 4 mm, left." in text
    assert one.startswith(f"1 of {values.size} voxels has z ≥ 4.5. Largest: z = 5")
    assert none == "No voxel has |z| ≥ 3."


@pytest.fixture
def page(backdrop, values, tmp_path):
    values = values / 3
    values[backdrop.order[100]] = 7.5
    place = backdrop.places(backdrop.order[[100, 30]])
    rows = tuple(tuple(f"{c:.1f}".replace("-", "−") for c in one) for one in place)
    peaks = Table(("x (mm)", "y (mm)", "z (mm)"), rows, "Peaks")
    contrasts = tuple(
        ContrastResult(
            name, "t", "", "", "", peaks=(peaks,),
            volumes=(pack_volume(sign * values, backdrop, 3.0, tmp_path / f"{name}.json"),),
        )
        for name, sign in (("a", 1), ("b", -1))
    )  # fmt: skip
    text = render_report(Report("s", "", sections=(Section("r", "r", contrasts=contrasts),)))
    return text, values, place


def test_a_page_holds_the_mean_image_once_and_the_script_once(page):
    text, _, _ = page

    assert len(re.findall(r"data-image=", text)) == 1
    assert len(re.findall(r"data-values=", text)) == 2
    assert text.count("<script>") == 1
    (key,) = re.findall(r'id="base-([0-9a-f]+)"', text)
    assert re.findall(r'data-base="([0-9a-f]+)"', text) == [key, key]


def in_browser(text, tmp_path, done, script=""):
    """Return the page after its scripts, and after another one that its policy would forbid.

    Virtual time can end while the browser still unpacks maps; then the page is opened again.
    """
    if script:
        text = re.sub(r"<meta http-equiv=[^>]*>", "", text)
        script = f"""const timer = setInterval(() => {{
            if (document.querySelectorAll(".viewer.ready").length < 2) {{ return; }}
            clearInterval(timer); {script} }}, 50);"""
        text = text.replace("</body>", f"<script>{script}</script></body>")
    file = tmp_path / "page.html"
    file.write_text(text)
    for _ in range(5):
        page = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
             "--virtual-time-budget=20000", f"--user-data-dir={tmp_path / 'profile'}",
             "--enable-logging=stderr", "--dump-dom", file.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        if page.stdout.count(done) >= 1 + (not script):
            break
    return page


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_largest_value_and_follows_rows_keys_and_sliders(page, tmp_path):
    text, _, place = page

    plain = in_browser(text, tmp_path, "<output")
    used = in_browser(
        text,
        tmp_path,
        "|more</title>",
        """
        const [a] = document.querySelectorAll("article");
        a.querySelectorAll("tr.jumps")[1].querySelector("button").click();
        window.said = [a.querySelector("output").textContent];
        const press = (key) => a.querySelectorAll("canvas")[1].dispatchEvent(
            new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
        press("ArrowRight"); press("ArrowUp"); press("PageUp");
        said.push(a.querySelector("output").textContent);
        const pixels = () => { const c = a.querySelectorAll("canvas")[2];
            return c.getContext("2d").getImageData(0, 0, c.width, c.height).data; };
        const colored = () => { let n = 0; const p = pixels();
            for (let i = 0; i < p.length; i += 4) { n += p[i] > p[i + 2] + 60; } return n; };
        const before = colored();
        const slider = a.querySelector("input"); slider.value = 0;
        slider.dispatchEvent(new Event("input"));
        said.push(colored() > before ? "more" : "same");
        document.title = said.join("|");
        """,
    )

    said = [html.unescape(words) for words in re.findall(r"<output[^>]*>([^<]*)", plain.stdout)]
    assert [words.rpartition(": ")[2] for words in said] == ["z = 7.50", "z = −7.50"]
    assert "CONSOLE" not in plain.stderr  # neither errors nor refused requests
    first, second, third = re.search(r"<title>([^<]*)", used.stdout)[1].split("|")
    numbers = [float(word.replace("−", "-")) for word in re.findall(r"−?\d+(?=[, ])", first)]
    np.testing.assert_allclose(numbers[:3], np.rint(place[1]), atol=1)
    moved = [float(word.replace("−", "-")) for word in re.findall(r"−?\d+(?=[, ])", second)]
    np.testing.assert_allclose(np.subtract(moved[:3], numbers[:3]), [3, 2, 4], atol=1)
    assert third == "more"
    assert "Uncaught" not in used.stderr
