"""The short answers at the top of a report."""

from dataclasses import replace

from boldglm.notices import note, warning
from boldglm.reports.content import ContrastResult, Report, Section, Table
from boldglm.reports.glance import tables_at_a_glance
from boldglm.reports.html import render_report

COLUMNS = ("cluster", "x (mm)", "y (mm)", "z (mm)", "z", "p", "q FDR", "voxels", "mm³")


def contrast(name, *peaks):
    rows = tuple((str(k), *peak, "1e−5", "0.002", "9", "72") for k, peak in enumerate(peaks, 1))
    return ContrastResult(name, "t", name, "z", "9", peaks=(Table(COLUMNS, rows, "Peaks"),))


def level(title, *contrasts):
    return Section(title, title.replace(" ", "-"), contrasts=contrasts, is_open=True)


def run(number, displacement, *notices):
    facts = (("HRF", "spm"), ("Framewise displacement", displacement), ("Temporal SNR", "80"))
    return Section(f"run {number}", f"run-{number}", facts, notices)


def test_the_largest_peak_of_each_contrast_of_unfolded_sections_is_at_the_top():
    cue = contrast("cue", ("1.0", "2.0", "3.0", "−5.10"), ("7.0", "8.0", "9.0", "4.00"))
    folded = Section("run 1", "run-1", contrasts=(contrast("any", ("0", "0", "0", "9.00")),))

    (table,) = tables_at_a_glance([level("group", cue, contrast("target")), folded])

    assert table.columns == ("Contrast", "Largest peak: x, y, z (mm)", "z", "q FDR")
    assert table.rows == (
        ("cue", "1.0,\u00a02.0,\u00a03.0", "−5.10", "0.002"),
        ("target", "none above the threshold", "", ""),
    )


def test_results_of_several_sections_are_named():
    peak = ("1.0", "2.0", "3.0", "5.10")

    (table,) = tables_at_a_glance([level("a", contrast("cue", peak)), level("b", contrast("cue"))])

    assert [row[:2] for row in table.rows] == [("a", "cue"), ("b", "cue")]
    tags = (("Level", "subject"),)
    tagged = [
        replace(level(name, contrast("cue", peak)), tags=(*tags, ("Model", name.upper())))
        for name in "ab"
    ]
    assert [row[0] for row in tables_at_a_glance(tagged)[0].rows] == ["model A", "model B"]


def test_of_two_parts_the_larger_peak_counts_and_maps_without_coordinates_have_none():
    parts = (
        *contrast("", ("1", "1", "1", "4.00")).peaks,
        *contrast("", ("2", "2", "2", "−6")).peaks,
    )
    both = ContrastResult("cue", "t", "cue", "z", "9", peaks=parts)
    surface = ContrastResult(
        "cue", "t", "cue", "z", "9", peaks=(Table(("vertex", "7"), (("z", "5.00"),), "Maxima"),)
    )

    assert tables_at_a_glance([level("a", both)])[0].rows[0][1] == "2,\u00a02,\u00a02"
    assert tables_at_a_glance([level("a", surface)]) == ()


def test_motion_and_warnings_of_every_run_are_together():
    sections = [run(1, "mean 0.1 mm"), run(2, "mean 0.9 mm", warning("moved"), note("mask"))]

    (table,) = tables_at_a_glance(sections)

    assert table.columns == ("Run", "Framewise displacement", "Temporal SNR", "Warnings")
    assert table.rows == (
        ("run 1", "mean 0.1 mm", "80", "0"),
        ("run 2", "mean 0.9 mm", "80", "1"),
    )
    page = render_report(Report("sub-01", "Model", sections=tuple(sections)))
    assert page.index("At a glance") < page.index("<h2>run 1</h2>")
    assert "At a glance" not in render_report(Report("sub-01", "Model"))
