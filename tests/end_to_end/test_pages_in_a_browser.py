"""Reports and other pages in a browser: on a desk, a phone, in the dark, and on paper."""

import shutil

import pytest

from boldglm.cli.main import main

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

PAGES = ("sub-01.html", "group.html", "index.html", "plan.html")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 800}
LEAST_CONTRAST, OF_LARGE_TEXT = 4.5, 3.0  # WCAG 2.2, level AA
LEAST_SIZE = 11.0  # of letters, in pixels

# Texts that can be read badly: too little contrast, or too small. Figures are not texts.
HARD_TO_READ = """([least, ofLarge, smallest]) => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => color.slice(0, 3).map((v) => v / 255)
        .map((v) => (v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const color = rgba(getComputedStyle(e).backgroundColor);
            if (color[3] > 250) { return color; }
        }
        return [255, 255, 255, 255];
    };
    const found = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
        const isSeen = element.checkVisibility({visibilityProperty: true});
        const isOther = element.closest("svg, script, style, option, .hidden, .skip");
        if (!text || !isSeen || isOther) { continue; }
        const style = getComputedStyle(element), size = parseFloat(style.fontSize);
        const [a, b] = [luminance(rgba(style.color)), luminance(behind(element))];
        const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        if (contrast < (isLarge ? ofLarge : least) || size < smallest) {
            found.add(`${text.slice(0, 30)}: ${contrast.toFixed(1)}, ${size} px`);
        }
    }
    return [...found];
}"""

# What is wider than the page, and not in a box that scrolls.
TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter((e) => {
    if (!e.checkVisibility() || e.closest(".hidden, .skip, .scroll *, svg *")) { return false; }
    const box = e.getBoundingClientRect();
    return box.width && box.right > document.documentElement.clientWidth + 1;
}).map((e) => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)}`)"""

UNNAMED = """() => {
    const own = (e) => e.getAttribute("aria-label") || e.alt || e.title || e.textContent || "";
    const name = (e) => own(e).trim()
        || [...(e.labels || [])].map((label) => label.textContent.trim()).join("")
        || (e.getAttribute("aria-labelledby") || "").split(" ")
            .map((id) => (document.getElementById(id) || {}).textContent || "").join("");
    return [...document.querySelectorAll(
        "img, svg[role=img], canvas, button, input, select, textarea, a[href], summary, [tabindex]"
    )].filter((e) => !e.closest("[aria-hidden=true]") && e.getAttribute("alt") !== "" && !name(e))
        .map((e) => e.outerHTML.slice(0, 80));
}"""


@pytest.fixture(scope="module")
def folder(demo):
    """Return the demo's output folder, with the page of its plan."""
    out = demo.folder / "derivatives/boldglm"
    calls = ("participant", "--dry-run", "--plan-file", str(out / "plan.html"))
    assert main([str(demo.folder / "bids"), str(demo.folder / "none"), *calls]) == 0
    return out


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def open_page(browser, folder):
    """Return a function that opens a page, keeping what it says and asks for."""

    def opened(name, size):
        page = browser.new_context(viewport=size).new_page()
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto((folder / name).as_uri())
        return page

    return opened


@pytest.fixture(scope="module")
def seen_page(open_page):
    """Return a function that opens a page, unfolds it, and scrolls through all of it, once."""
    pages = {}

    def seen(name, size=DESK):
        key = (name, size["width"])
        if key not in pages:
            page = pages[key] = open_page(name, size)
            page.evaluate(
                "document.querySelectorAll('details').forEach((e) => { e.open = true; })"
            )
            for _ in range(0, page.evaluate("document.documentElement.scrollHeight"), 800):
                page.mouse.wheel(0, 800)
                page.wait_for_timeout(10)
        pages[key].emulate_media(media="screen", color_scheme="light")
        return pages[key]

    return seen


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_and_has_no_errors(seen_page, name):
    page = seen_page(name)

    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [page.url]
    assert page.title()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_is_cut_off(seen_page, name, size):
    page = seen_page(name, size)

    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_can_be_read(seen_page, name, scheme):
    page = seen_page(name)
    page.emulate_media(color_scheme=scheme)

    assert page.evaluate(HARD_TO_READ, [LEAST_CONTRAST, OF_LARGE_TEXT, LEAST_SIZE]) == []


@pytest.mark.parametrize("name", PAGES)
def test_everything_that_is_seen_or_used_has_a_name(seen_page, name):
    assert seen_page(name).evaluate(UNNAMED) == []


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_everything_is_shown_in_black_on_white(seen_page, name):
    page = seen_page(name)
    page.emulate_media(media="print", color_scheme="dark")

    colors = page.evaluate(
        "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])"
    )
    ink, paper = ([int(part) for part in color[4:-1].split(",")] for color in colors)
    assert paper == [255, 255, 255]
    assert max(ink) < 60
    assert page.evaluate(TOO_WIDE) == []


@pytest.fixture
def viewed(open_page):
    """Return the group report and its first contrast, when its viewer is ready."""
    page = open_page("group.html", DESK)
    article = page.locator("article", has=page.locator(".viewer")).first
    article.scroll_into_view_if_needed()
    article.locator(".viewer.ready").wait_for()
    return page, article


def test_a_peak_moves_the_viewer_and_keys_move_it_on(viewed):
    page, article = viewed
    said = article.locator("output")
    texts = [said.text_content()]

    article.locator("button.jump").nth(1).click()
    texts.append(said.text_content())
    article.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")
    texts.append(said.text_content())

    assert len(set(texts)) == 3
    assert page.complaints == []


def test_the_threshold_hides_what_lies_below(viewed):
    _, article = viewed
    slices = article.locator(".slices")
    before = slices.screenshot()

    slider = article.locator("input[type=range]").first
    slider.fill(slider.get_attribute("max"))

    assert slices.screenshot() != before


def test_the_layout_is_that_of_two_columns_or_of_one(seen_page):
    """Places as shares of the window: the list of contents, the text, and a map."""

    def of(what, size):
        box = seen_page("group.html", size).locator(what).first.bounding_box()
        return box["x"] / size["width"], box["width"] / size["width"]

    assert of("nav", DESK) == pytest.approx((0, 0.19), abs=0.03)
    assert of("main", DESK) == pytest.approx((0.22, 0.77), abs=0.03)
    assert of("article .viewer", DESK) == pytest.approx((0.22, 0.62), abs=0.05)
    assert of("nav", PHONE) == pytest.approx((0, 1), abs=0.03)
    assert of("main", PHONE) == pytest.approx((0, 1), abs=0.03)
    assert of("article .viewer", PHONE) == pytest.approx((0.04, 0.92), abs=0.05)


def values(page, heading):
    """Return the values of a column of the first table, in the order of the rows."""
    cells = "(table, at) => [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.value)"
    at = heading.evaluate("(cell) => cell.cellIndex")
    return page.locator("table.index").first.evaluate(cells, at)


def test_headings_sort_the_participants_and_the_search_finds_one(open_page):
    page = open_page("index.html", DESK)
    heading = page.locator("table.index").first.locator("thead th[data-contrast]").first
    heading.locator("button").click()
    down = [int(value) for value in values(page, heading)]
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    up = [int(value) for value in values(page, heading)]

    assert len(set(down)) > 1
    assert down == sorted(down, reverse=True)
    assert up == sorted(down)
    assert heading.get_attribute("aria-sort") == "ascending"

    page.fill("#search", "sub-03")
    page.select_option("#contrast", index=1)
    assert page.text_content("#count") == "1 of 10 participants, 2 of 20 runs"
    assert page.locator("tbody tr:visible").count() == 3
    assert page.locator("th[data-contrast]:visible").count() == 1


def test_a_search_shows_only_the_contrasts_that_it_names(open_page):
    page = open_page("sub-01.html", DESK)
    shown = page.locator("article.contrast:visible h3")
    before = shown.all_text_contents()

    page.focus(".finder input")
    page.keyboard.type("Target resp")
    found = shown.all_text_contents()
    page.select_option(".finder select", "Run:2")
    of_run = page.locator("details.section:visible h2").all_text_contents()
    others = page.locator("details:not(.section)")

    assert set(found) == {"target_x_response_time"}
    assert len(found) > len(of_run) > 0
    assert all("run 2" in title for title in of_run)
    assert "contrasts" in page.text_content(".finder output")
    assert all(other.is_visible() for other in others.all())

    page.evaluate("location.hash = document.querySelector('article.contrast[hidden]').id")
    page.wait_for_function("!document.querySelector('[hidden].contrast')")  # a link ends it
    assert shown.all_text_contents() == before
    assert page.complaints == []


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_the_methods_can_be_copied_from_a_file_on_disk(open_page, has_clipboard):
    page = open_page("group.html", DESK)
    if not has_clipboard:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator("button[data-copy]", has_text="LaTeX").click()
    page.locator("#copied", has_text="Copied.").wait_for()
    page.fill(".finder input", "")
    page.focus(".finder input")
    page.keyboard.press("Control+v")

    assert r"\citep{friston1994}" in page.input_value(".finder input")


def test_without_scripts_everything_is_shown(browser, folder):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((folder / "sub-01.html").as_uri())
    assert page.locator(".finder").is_hidden()
    sections = page.locator("details.section")
    assert sections.count() == 6
    assert all(section.is_visible() for section in sections.all())
    page.goto((folder / "index.html").as_uri())
    assert page.locator("#search").is_hidden()
    assert page.locator("tbody tr:visible").count() == 30
