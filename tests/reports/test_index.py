"""The page of all participants: what its rows say, in which order, and how large it may be."""

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape

import pytest

from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.outputs.overviews import (
    ContrastOverview,
    Overview,
    ResultOverview,
    RunOverview,
)
from boldglm.notices import exclusion, note, warning
from boldglm.reports import index
from boldglm.reports.index import Participants, render_index
from index_tables import Tables

PICTURE = base64.b64encode(b"picture").decode()


def overview(subject, n_significant=5, runs=("1", "2"), notices=(), of_runs=()):
    entities = {"sub": subject, "task": "faces"}
    contrast = ContrastOverview(
        "faces - houses", "t", 87.25, n_significant, "voxels", ((PICTURE, f"brain of {subject}"),)
    )
    return Overview(
        subject,
        (ResultOverview("default", "subject", "subject", entities, (contrast,)),),
        tuple(
            RunOverview(
                "default",
                {**entities, "run": run},
                100 * int(run),
                5,
                60.5,
                tuple(of_runs),
                mean_fd=0.1 * int(run),
                tsnr=50.0 - int(run),
            )
            for run in runs
        ),
        tuple(notices),
    )


def rows_of(*overviews, **more):
    return Tables(render_index(Participants("study", tuple(overviews), **more)))


def test_a_row_says_what_was_analyzed_of_a_participant():
    page = rows_of(overview("02", 1), overview("10", 1234), reports=frozenset({"sub-02", "group"}))

    assert page.column(0, "Participant") == [("sub-02", "sub-02"), ("sub-10", "sub-10")]
    assert page.column(0, "Runs")[0] == ("2", "2")
    assert page.column(0, "Volumes")[0] == ("300", "300")
    assert page.column(0, "Censored")[0] == ("0.033333", "10 (3.3 %)")
    assert page.column(0, "Mean FD")[0] == ("0.166667", "0.167")  # over volumes
    assert page.column(0, "tSNR")[0] == ("48", "48.0")
    assert page.column(0, "Degrees of freedom")[0] == ("87.25", "87.25")
    assert page.column(0, "faces - houses") == [("1", "1 voxel"), ("1234", "1,234 voxels")]
    assert page.links == ["group.html", "sub-02.html", "sub-02.html", "sub-02.html"]
    assert page.column(1, "Run") == [("1", "1"), ("2", "2"), ("1", "1"), ("2", "2")]
    assert page.column(1, "Degrees of freedom")[0] == ("60.5", "60.5")


def test_what_is_not_known_of_any_run_has_no_column():
    one = overview("01")
    runs = tuple(replace(run, mean_fd=None, tsnr=None) for run in one.runs)
    page = rows_of(replace(one, runs=runs), run_table="quality.tsv")
    headings = [text for table in page.tables for _, text in table[0]]

    assert not [text for text in headings if "FD" in text or "tSNR" in text]
    assert page.links == ["quality.tsv"]


def test_participants_are_in_the_order_of_their_numbers():
    page = rows_of(overview("10"), overview("9"), overview("1"))

    assert [value for value, _ in page.column(0, "Participant")] == ["sub-1", "sub-9", "sub-10"]


def test_what_was_excluded_is_a_row_with_the_reason():
    excluded = {
        "01": (ExcludedRun({"sub": "01", "task": "faces", "run": "3"}, "no events file"),),
        "02": (ExcludedRun({"sub": "02"}, "--exclude names it", is_group=True),),
    }
    group = (exclusion("sub-03 has no results"), exclusion("the group is small"))
    page = rows_of(overview("01"), excluded=excluded, notices=group)

    assert page.column(0, "Excluded") == [
        ("1", "sub-01_task-faces_run-3: no events file"),
        ("1", "sub-02: --exclude names it"),
        ("1", "sub-03 has no results"),
    ]
    assert [value for value, _ in page.column(0, "Runs")] == ["2", "0", "0"]
    assert page.column(1, "Run") == [("1", "1"), ("2", "2"), ("3", "3")]
    assert page.column(1, "Excluded")[2] == ("1", "sub-01_task-faces_run-3: no events file")


def test_what_all_participants_share_is_said_once_and_notes_are_not_said():
    both, mine, default = warning("no drift"), warning("odd"), note("a default")
    text = render_index(
        Participants(
            "study",
            (overview("01", notices=[both, mine, default]), overview("02", notices=[both])),
        )
    )

    assert text.count("no drift") == 1
    assert "<strong>Warning.</strong> no drift" in text
    assert Tables(text).column(0, "Warnings") == [("1", "odd"), ("0", "")]
    assert "a default" not in text


def test_a_warning_of_a_run_names_the_run():
    one = overview("01", of_runs=[warning("not white")])
    runs = (one.runs[0], replace(one.runs[1], notices=()))
    page = rows_of(replace(one, runs=runs), overview("02"))

    assert page.column(0, "Warnings")[0] == ("1", "task faces run 1: not white")
    assert page.column(1, "Warnings") == [("1", "not white"), ("0", ""), ("0", ""), ("0", "")]


@pytest.mark.parametrize(
    ("runs", "name"),
    [("12", "task faces run 1 and task faces run 2"), ("123", "task faces run 1 and 2 more")],
)
def test_a_warning_of_many_runs_does_not_name_all(runs, name):
    one = overview("01", runs=runs, of_runs=[warning("not white")])
    page = rows_of(one, overview("02"))

    assert page.column(0, "Warnings")[0] == ("1", f"{name}: not white")


def test_a_run_of_two_models_counts_once():
    one = overview("01")
    again = tuple(replace(run, model="other", dof=50.0) for run in one.runs)
    page = rows_of(replace(one, runs=one.runs + again))

    assert page.column(0, "Runs") == [("2", "2")]
    assert page.column(0, "Volumes") == [("300", "300")]
    assert [value for value, _ in page.column(1, "Degrees of freedom")] == ["50", "50"]


def test_of_a_run_of_two_models_the_most_censored_fit_counts():
    one = overview("01", runs=("1",))
    (run,) = one.runs
    both = (run, replace(run, model="other", n_censored=20, tsnr=12.5))
    page = rows_of(replace(one, runs=both))

    assert page.column(1, "Censored") == [("0.200000", "20 (20.0 %)")]
    assert page.column(1, "tSNR") == [("12.5", "12.5")]


def test_sessions_without_a_higher_level_have_rows():
    one = overview("01")
    results = tuple(
        replace(one.results[0], level="session", entities={"sub": "01", "ses": ses})
        for ses in ("2", "1")
    )
    runs = (RunOverview("default", {"sub": "01", "ses": "2", "run": "1"}, 100, 0, 60.5),)
    page = rows_of(replace(one, results=results, runs=runs))

    assert page.column(0, "Session") == [("1", "1"), ("2", "2")]
    assert [value for value, _ in page.column(0, "Runs")] == ["0", "1"]


def test_hemispheres_are_in_one_cell():
    one = overview("01", 3)
    results = tuple(
        replace(one.results[0], entities={"sub": "01", "hemi": hemi}) for hemi in ("L", "R")
    )
    text = render_index(Participants("study", (replace(one, results=results),)))

    assert Tables(text).column(0, "faces - houses") == [("6", "6 voxels")]
    assert text.count(PICTURE) == 2


def test_equal_contrasts_of_models_are_told_apart():
    one = overview("01")
    results = (one.results[0], replace(one.results[0], model="other", node="otherSubject"))
    text = render_index(Participants("study", (replace(one, results=results),)))

    assert re.findall(r"<small>(model [a-z]+)</small>", text) == ["model default", "model other"]
    assert '<option value="c2">faces - houses (model other)</option>' in text


def test_pictures_stop_where_the_page_gets_large(monkeypatch):
    one = overview("01")
    contrasts = [replace(one.results[0].contrasts[0], name=name) for name in ("a", "b", "c")]
    every = replace(one, results=(replace(one.results[0], contrasts=tuple(contrasts)),))
    monkeypatch.setattr(index, "MOST_PICTURES", 2 * len(PICTURE + "brain of 01"))
    text = render_index(Participants("study", (every,)))

    assert text.count(PICTURE) == 2
    assert "Pictures of 2 of 3 contrasts are on this page" in text
    assert text.count("5 voxels") == 3


def test_hostile_names_are_text():
    hostile = "<script>alert(1)</script>\" onload='x"
    one = overview("01", notices=[warning(hostile)])
    results = (
        replace(one.results[0], contrasts=(replace(one.results[0].contrasts[0], name=hostile),)),
    )
    text = render_index(Participants(hostile, (replace(one, results=results),)))

    assert "<script>alert" not in text
    assert "onload='x" not in text
    assert unescape(text).count(hostile) >= 4


def test_the_page_loads_nothing_and_allows_its_script_only():
    text = render_index(Participants("study", (overview("01"),)))
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert f"script-src 'sha256-{digest}'" in text
    assert re.findall(r"(?:src|href)=\"(?!data:)([^\"]*)\"", text) == []


@pytest.mark.parametrize("n_significant", [None, 0])
def test_no_map_is_not_no_voxel(n_significant):
    cell = rows_of(overview("01", n_significant)).column(0, "faces - houses")

    assert cell == [("", "no map")] if n_significant is None else [("0", "0 voxels")]
