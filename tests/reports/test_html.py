"""The page is complete, self-contained, and safe against whatever an event file holds."""

import base64
import hashlib
import re
import stat
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.image import imsave

from boldglm.notices import exclusion, note, warning
from boldglm.reports.content import ContrastResult, Figure, Report, Section, Table
from boldglm.reports.html import inline_picture, link_dois, render_report, write_report

HOSTILE = "<script>alert(1)</script>\" onload='x"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 36"><text>face</text></svg>'


@pytest.fixture
def svg(tmp_path):
    path = tmp_path / "design.svg"
    path.write_text(SVG)
    return Figure(path, "A design", "Gray picture")


@pytest.fixture
def report(svg, tmp_path):
    png = tmp_path / "map.png"
    imsave(png, np.zeros((20, 40, 3)))
    peaks = Table(("x (mm)", "region"), (("−4.0", "left"),), "Peaks of faces")
    contrast = ContrastResult(
        "faces > houses", "t", "1·faces − 1·houses", "|z| ≥ 3.1", "131",
        maps=(Figure(png, "Map", "Axial slices"),), peaks=(peaks,), note="three events only",
    )  # fmt: skip
    run = Section(
        "task-faces run-1", "run-1", (("Scans", "156"),), (exclusion("houses: no event"),), (svg,),
        (Table(("condition",), (("faces",),), "Conditions"),), (contrast,),
    )  # fmt: skip
    combined = Section("Subject level", "subject", contrasts=(contrast,), is_open=True)
    return Report(
        "sub-01", "Model faces", (("Space", "MNI"),),
        (exclusion("run-3: empty events file"), warning("short run")),
        (combined, run), ("Paragraph one.", "Paragraph two."), ("Friston. doi:10.1002/abc.",),
        "boldglm /in /out participant --high-pass 128", (("numpy", "2.0"),),
    )  # fmt: skip


class Page(HTMLParser):
    """Collects tags with attributes, and checks that they are nested."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_everything_in_the_report_is_on_the_page(report):
    text = Page(render_report(report)).text

    for words in (
        "sub-01", "Model faces", "MNI", "run-3: empty events file", "Subject level",
        "task-faces run-1", "156", "houses: no event", "A design", "Conditions",
        "faces > houses", "1·faces − 1·houses", "|z| ≥ 3.1", "131", "three events only",
        "Peaks of faces", "−4.0", "Paragraph two.", "doi:10.1002/abc",
        "boldglm /in /out participant --high-pass 128", "numpy", "2.0",
    ):  # fmt: skip
        assert words in text, words


def test_exclusions_come_before_any_result_and_name_their_section(report):
    text = Page(render_report(report)).text.split("Model faces", 1)[1]

    box, results = text.split("MNI", 1)
    assert box.index("Exclusions") < box.index("run-3: empty events file")
    assert box.index("Warnings") < box.index("short run")
    assert re.search(r"task-faces run-1\s*: houses: no event", box)
    assert "faces > houses" in results


def test_a_note_of_several_runs_is_listed_once_at_the_top_with_a_link_to_each():
    runs = tuple(
        Section(f"run {number}", f"run-{number}", notices=(note("the mask was computed"),))
        for number in (1, 2)
    )

    box = render_report(Report("sub-01", "m", sections=runs)).split('class="notices note"', 1)[1]
    top = box.split("</aside>", 1)[0]

    assert top.count("the mask was computed") == 1
    assert '<a href="#s-run-1">run 1</a>; <a href="#s-run-2">run 2</a>: the mask' in top


def test_a_complete_analysis_says_that_nothing_was_excluded():
    page = render_report(Report("sub-01", "m", sections=(Section("run 1", "run-1"),)))

    assert "Nothing was excluded" in page
    assert 'class="notices' not in page


def test_the_page_loads_nothing_and_forbids_loading(report):
    page = render_report(report)

    tags = Page(page)
    assert not tags.all("link")
    assert all("src" not in attributes for attributes in tags.all("script"))
    assert all(attributes["src"].startswith("data:") for attributes in tags.all("img"))
    assert not re.search(
        r"<(?:link|script|img|iframe)[^>]+(?:src|href)=[\"']?(?:https?:)?//", page
    )
    assert not re.search(r"url\(|@import", page)
    policy = next(a["content"] for a in tags.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:")


def test_the_policy_allows_exactly_the_script_of_the_page(report):
    page = render_report(report)

    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_hostile_names_are_printed_rather_than_run(svg):
    figure = Figure(svg.path, HOSTILE, HOSTILE)
    contrast = ContrastResult(*[HOSTILE] * 5, maps=(figure,), note=HOSTILE)
    section = Section(
        HOSTILE, "run-1", ((HOSTILE, HOSTILE),), (warning(HOSTILE),), (figure,),
        (Table((HOSTILE,), ((HOSTILE,),), HOSTILE),), (contrast,),
    )  # fmt: skip
    report = Report(
        HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), (exclusion(HOSTILE),), (section,), (HOSTILE,),
        (HOSTILE + " doi:10.1000/<b>",), HOSTILE, ((HOSTILE, HOSTILE),),
    )  # fmt: skip

    page = Page(render_report(report))

    assert len(page.all("script")) == 1
    assert not any("onload" in attributes for _, attributes in page.tags)
    assert page.text.count(HOSTILE) >= 20


def test_pictures_are_inlined_byte_for_byte_with_their_size_and_alternative_text(report, svg):
    images = Page(render_report(report)).all("img")

    drawing = next(image for image in images if image["alt"] == "Gray picture")
    assert base64.b64decode(drawing["src"].split(",")[1]).decode() == SVG
    assert (drawing["width"], drawing["height"]) == ("96", "48")  # 72 points are 96 pixels
    drawn_map = next(image for image in images if image["alt"] == "Axial slices")
    assert (drawn_map["width"], drawn_map["height"]) == ("20", "10")  # drawn twice as fine
    assert all(image["alt"] for image in images)


def test_headings_descend_one_level_at_a_time_and_tables_have_headers(report):
    page = Page(render_report(report))

    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {attributes.get("scope") for attributes in page.all("th")} == {"col"}
    assert len(page.all("caption")) == len(page.all("table")) == 3


def test_every_link_of_the_navigation_leads_somewhere_and_ids_are_unique(report):
    page = Page(render_report(report))

    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    targets = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    assert len(ids) == len(set(ids))
    assert targets <= set(ids)
    assert {"s-run-1", "s-subject", "s-subject-c1", "methods", "reproduce"} <= targets


def test_runs_are_folded_unless_there_is_only_one(report):
    many = Page(render_report(report)).all("details")
    single = Report("sub-01", "", sections=report.sections[1:])
    one = Page(render_report(single)).all("details")

    assert ["open" in attributes for attributes in many] == [True, False]
    assert ["open" in attributes for attributes in one] == [True]


def test_an_empty_table_says_none():
    table = Table(("x (mm)", "z"), (), "Peaks")
    page = render_report(Report("s", "", sections=(Section("r", "r", tables=(table,)),)))

    assert '<td class="none" colspan="2">none</td>' in page


def test_a_missing_picture_is_named_and_the_old_page_stays(report, svg, tmp_path):
    path = tmp_path / "sub-01.html"
    path.write_text("old")
    svg.path.unlink()

    with pytest.raises(FileNotFoundError, match=r"design\.svg \('A design'\), which does not"):
        write_report(report, path)

    assert path.read_text() == "old"


def test_a_picture_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "map.png"
    path.write_bytes(b"GIF89a")

    with pytest.raises(ValueError, match="neither PNG nor SVG"):
        inline_picture(Figure(path, "", ""))


def test_writing_replaces_the_page_leaves_nothing_beside_it_and_is_readable(report, tmp_path):
    path = tmp_path / "out" / "sub-01.html"

    write_report(report, path)
    first = path.read_bytes()
    assert write_report(report, path) == path

    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["sub-01.html"]
    assert path.stat().st_mode & stat.S_IRGRP  # not the 0600 of a temporary file


def test_a_doi_given_as_an_address_becomes_the_same_link():
    assert link_dois("https://doi.org/10.1002/abc") == link_dois("doi:10.1002/abc")


def test_a_disk_that_refuses_leaves_no_half_written_file(report, tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(f"cannot write {target}")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    path = tmp_path / "out" / "sub-01.html"

    with pytest.raises(PermissionError, match="cannot write"):
        write_report(report, path)

    assert list(path.parent.iterdir()) == []


def sections_of_runs(n_contrasts):
    contrasts = tuple(ContrastResult(f"c{k}", "t", "", "", "131") for k in range(n_contrasts))
    return tuple(
        Section(f"Run {run}", f"run-{run}", contrasts=contrasts,
                tags=(("Level", "run"), ("Task", "a|b"), ("Run", run)))
        for run in ("1", "2")
    )  # fmt: skip


def test_many_contrasts_can_be_searched_and_filtered_by_what_differs():
    page = Page(render_report(Report("sub-01", "", sections=sections_of_runs(2))))

    assert [attributes.get("value") for attributes in page.all("option")] == ["", "Run:1", "Run:2"]
    tags = [each["data-tags"].split("\n") for each in page.all("details")]
    assert tags == [["Level:run", "Task:a|b", f"Run:{run}", ""] for run in ("1", "2")]
    assert "search" in [attributes.get("role") for attributes in page.all("form")]


def test_few_contrasts_need_no_search(report):
    assert Page(render_report(report)).all("form") == []
    assert Page(render_report(Report("", "", sections=sections_of_runs(1)))).all("form") == []


def test_methods_are_there_to_be_copied_as_text():
    copies = (("text", "a < b"), ("LaTeX", HOSTILE))
    page = Page(render_report(Report("", "", methods=("a < b",), copies=copies)))

    assert [each["data-copy"] for each in page.all("button")] == ["copy-1", "copy-2"]
    assert HOSTILE in page.text
