"""The page of all participants is right in every order of calls."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

from boldglm.cli.main import main
from boldglm.workflows import index
from boldglm.workflows.index import write_index
from index_tables import Tables

OLS = ("--noise-model", "ols")


@pytest.fixture(scope="module")
def finished(tiny_dataset, tmp_path_factory):
    """Return an output folder with reports of two participants."""
    out = tmp_path_factory.mktemp("with") / "out"
    assert main([str(tiny_dataset), str(out), "participant", *OLS]) == 0
    return out


def participant(bids, out, label, *options):
    chosen = ("--participant-label", label)
    return main([str(bids), str(out), "participant", *chosen, *OLS, *options])


def names(page):
    return [value for value, _ in page.column(0, "Participant")]


def test_counts_are_those_of_the_maps(finished):
    page = Tables((finished / "index.html").read_text())
    expected = []
    for subject in ("01", "02"):
        (path,) = finished.glob(f"node-subject/sub-{subject}/func/*contrast-cue_stat-z_statmap*")
        z = nib.load(path).get_fdata()
        q = false_discovery_control(2 * norm.sf(np.abs(z[z != 0])))
        expected.append(str((q < 0.05).sum()))

    assert [value for value, _ in page.column(0, "cue")] == expected
    assert [value for value, _ in page.column(0, "Volumes")] == ["120", "120"]
    rows = (finished / "quality.tsv").read_text().splitlines()
    tsnr = rows[0].split("\t").index("median_tsnr")
    numbers = [f"{float(row.split(chr(9))[tsnr]):.1f}" for row in rows[1:]]
    assert [text for _, text in page.column(1, "tSNR")] == numbers
    assert page.links.count("quality.tsv") == 1
    assert page.links.count("sub-01.html") == 3  # the participant and its runs
    assert "iVBOR" in (finished / "index.html").read_text()


def test_jobs_of_one_participant_leave_the_page_of_one_call(tiny_dataset, finished, tmp_path):
    out = tmp_path / "out"
    assert participant(tiny_dataset, out, "02") == 0
    alone = Tables((out / "index.html").read_text())
    assert participant(tiny_dataset, out, "01") == 0

    assert names(alone) == ["sub-02"]
    assert (out / "index.html").read_text() == (finished / "index.html").read_text()


def test_a_job_that_finishes_meanwhile_is_on_the_page(finished, tmp_path, monkeypatch):
    out = shutil.copytree(finished, tmp_path / "out")
    later = {path: path.read_text() for path in (out / "logs/reports").glob("sub-02*")}
    shutil.move(out / "node-run/sub-02", tmp_path / "run")
    shutil.move(out / "node-subject/sub-02", tmp_path / "subject")
    render = index.render_index
    pages = []

    def render_while_another_job_ends(participants):
        pages.append(render(participants))
        if len(pages) == 1:
            shutil.move(tmp_path / "run", out / "node-run/sub-02")
            shutil.move(tmp_path / "subject", out / "node-subject/sub-02")
        return pages[-1]

    monkeypatch.setattr(index, "render_index", render_while_another_job_ends)
    write_index(out, ("01",))

    assert later
    assert names(Tables(pages[0])) == ["sub-01"]
    assert names(Tables((out / "index.html").read_text())) == ["sub-01", "sub-02"]


def test_without_reports_there_is_no_page_until_the_group(tiny_dataset, tmp_path):
    out = tmp_path / "out"
    assert main([str(tiny_dataset), str(out), "participant", *OLS, "--no-report"]) == 0
    assert not (out / "index.html").exists()
    assert main([str(tiny_dataset), str(out), "group"]) == 0

    text = (out / "index.html").read_text()
    assert names(Tables(text)) == ["sub-01", "sub-02"]
    assert set(Tables(text).links) == {"group.html", "quality.tsv"}
    assert "Participants without a link have no report" in text


def test_numbers_of_earlier_results_do_not_stay(tiny_dataset, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "out")
    write_index(out)
    assert participant(tiny_dataset, out, "01", "--no-report", "--fresh") == 0
    assert not (out / "index.html").exists()
    assert participant(tiny_dataset, out, "02") == 0

    page = Tables((out / "index.html").read_text())
    cue = dict(zip(names(page), page.column(0, "cue"), strict=True))
    assert cue["sub-01"] == ("", "")
    assert cue["sub-02"][0].isdecimal()
    assert "not summarized here yet" in page.column(0, "Warnings")[0][1]
    assert main(["-", str(out), "participant", "--reports-only"]) == 0
    assert (out / "index.html").read_text() == (finished / "index.html").read_text()


def test_excluded_runs_are_listed(tiny_dataset, tmp_path, capsys):
    out = tmp_path / "out"
    bad = "sub-01_task-cuetarget_run-2"
    options = (*OLS, "--exclude", "sub-02", bad)
    assert main([str(tiny_dataset), str(out), "participant", *options]) == 0

    page = Tables((out / "index.html").read_text())
    assert names(page) == ["sub-01", "sub-02"]
    assert page.column(0, "Excluded") == [
        ("1", f"{bad}: --exclude names it"),
        ("1", "sub-02: --exclude names it"),
    ]
    assert page.column(1, "Excluded") == [("0", ""), ("1", f"{bad}: --exclude names it")]
    assert f"All participants: {out / 'index.html'}" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{", "[]", '{"Format": 1, "State": "", "Overview": {}}'])
def test_a_damaged_summary_is_made_again(finished, tmp_path, content):
    out = shutil.copytree(finished, tmp_path / "out")
    write_index(out)
    path = out / "logs/reports/sub-01_overview.json"
    good = json.loads(path.read_text())["Overview"]
    path.write_text(content)
    write_index(out)

    assert json.loads(path.read_text())["Overview"] == good
    assert (out / "index.html").read_text() == (finished / "index.html").read_text()
