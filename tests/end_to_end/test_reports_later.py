"""`--no-report` and `--reports-only`: reports at any time, from what is in the output folder."""

import html
import json
import re
import shutil

import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.interfaces.input_maps import read_input_maps
from boldglm.io.images.formats import read_geometry
from boldglm.io.outputs.records import Record

OLS = ("--noise-model", "ols", "--orthogonalize", "target ~ cue")


@pytest.fixture(scope="module")
def bids(tiny_dataset):
    return tiny_dataset


@pytest.fixture(scope="module")
def with_reports(bids, tmp_path_factory):
    """Return an output folder whose reports were written with the results."""
    out = tmp_path_factory.mktemp("with") / "out"
    assert main([str(bids), str(out), "participant", *OLS]) == 0
    assert main([str(bids), str(out), "group"]) == 0
    return out


def reports(out):
    return {path.name: path.read_text() for path in out.glob("*.html")}


def maps(out):
    return {path.relative_to(out): path.read_bytes() for path in out.glob("node-*/**/*_statmap*")}


def test_reports_of_later_have_the_bytes_of_those_in_the_call(with_reports, tmp_path, capsys):
    out = shutil.copytree(with_reports, tmp_path / "out")
    for path in out.glob("*.html"):
        path.unlink()
    for level in ("participant", "group"):
        arguments = [str(tmp_path / "no-raw-data"), str(out), level, "--reports-only"]
        assert main([*arguments, "--nprocs", "2"]) == 0

    assert reports(out) == reports(with_reports)
    assert f"Report: {out / 'sub-02.html'}" in capsys.readouterr().out


def test_a_report_has_the_model_that_was_fitted(with_reports):
    model = (with_reports / "models/model-default_smdl.json").read_text()

    for page in reports(with_reports).values():
        if "How to reproduce" in page:
            (shown,) = re.findall(r'aria-label="Model default">(.*?)</pre>', page, re.DOTALL)
            assert json.loads(html.unescape(shown)) == json.loads(model)


def test_without_reports_everything_else_is_the_same(bids, with_reports, tmp_path):
    out = tmp_path / "out"
    assert main([str(bids), str(out), "participant", *OLS, "--no-report"]) == 0
    assert main([str(bids), str(out), "group", "--no-report"]) == 0
    assert reports(out) == {}
    assert maps(out) == maps(with_reports)

    assert main([str(bids), str(out), "participant", "--reports-only"]) == 0
    assert main([str(bids), str(out), "group", "--reports-only"]) == 0

    earlier = reports(with_reports).items()
    expected = {name: text.replace(str(with_reports), str(out)) for name, text in earlier}
    found = {name: text.replace(" --no-report", "") for name, text in reports(out).items()}
    assert found == expected


def test_a_report_of_earlier_results_does_not_stay_beside_new_ones(bids, with_reports, tmp_path):
    out = shutil.copytree(with_reports, tmp_path / "out")
    one = ("--participant-label", "01", *OLS, "--no-report", "--fresh")
    assert main([str(bids), str(out), "participant", *one]) == 0

    assert not (out / "sub-01.html").exists()
    assert (out / "sub-02.html").exists()


def test_a_report_that_cannot_be_drawn_is_not_announced(with_reports, tmp_path, capsys):
    out = shutil.copytree(with_reports, tmp_path / "out")
    for path in out.glob("node-run/sub-01/func/*stat-z_statmap.nii.gz"):
        path.unlink()

    assert main(["-", str(out), "participant", "--reports-only"]) != 0

    printed = capsys.readouterr()
    assert "stat-z_statmap" in printed.err
    assert f"Report: {out / 'sub-01.html'}" not in printed.out
    assert f"Report: {out / 'sub-02.html'}" in printed.out


def test_figures_are_files_only_where_they_are_asked_for(with_reports, tmp_path):
    out = shutil.copytree(with_reports, tmp_path / "out")
    call = ["-", str(out), "participant", "--participant-label", "01", "--reports-only"]
    assert not list(out.rglob("figures"))

    assert main([*call, "--figures"]) == 0
    drawn = {path.name for path in (out / "sub-01/figures").iterdir()}
    assert main(call) == 0

    stem = "sub-01_task-cuetarget_run-1_desc-run"
    assert {f"{stem}ContrastCue_figure.png", f"{stem}Orthogonalization_figure.svg"} <= drawn
    assert len(drawn) == 2 * (8 + 3 * 3) + 3 * 2  # three pictures of each contrast
    assert not list((out / "sub-01/figures").iterdir())
    assert reports(out) == reports(with_reports)


def test_one_call_asks_for_figures_of_finished_results(bids, with_reports, tmp_path, capsys):
    out = shutil.copytree(with_reports, tmp_path / "out")
    assert main([str(bids), str(out), "participant", *OLS, "--figures"]) == 0

    assert "4 of 4 runs were already finished" in capsys.readouterr().out
    assert list((out / "sub-01/figures").iterdir())


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("participant", "no results of any participant to report. Run the participant level"),
        ("group", "no results of the group to report. Run the group level first"),
    ],
)
def test_without_results_there_is_nothing_to_report(tmp_path, level, words, capsys):
    out = tmp_path / "out"
    assert main(["-", str(out), level, "--reports-only"]) == 66
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_a_participant_without_results_is_named(with_reports, capsys):
    call = ["-", str(with_reports), "participant", "--reports-only"]
    assert main([*call, "--participant-label", "01", "07"]) == 66
    assert "no results of sub-07 to report" in capsys.readouterr().err


def test_a_missing_page_is_named_with_the_remedy(with_reports, tmp_path, capsys):
    out = shutil.copytree(with_reports, tmp_path / "out")
    shutil.rmtree(out / "logs")
    assert main(["-", str(out), "participant", "--reports-only"]) == 66
    message = capsys.readouterr().err
    assert "logs/reports/sub-01.json" in message
    assert "it refits nothing" in message


@pytest.mark.parametrize(
    ("level", "options"),
    [
        ("participant", ("--noise-model", "ols")),
        ("participant", ("--maps", "rsquared")),
        ("participant", ("-t", "rest")),
        ("group", ("--participant-label", "01")),
    ],
)
def test_options_that_change_no_report_are_refused(with_reports, level, options, capsys):
    assert main(["-", str(with_reports), level, "--reports-only", *options]) == 2
    name = {"-t": "--task"}.get(options[0], options[0])
    assert f"Omit {name}." in capsys.readouterr().err


@pytest.mark.parametrize("other", ["--reports-only", "--figures"])
def test_options_of_reports_that_contradict_each_other_are_refused(tmp_path, other, capsys):
    assert main(["-", str(tmp_path / "out"), "participant", "--no-report", other]) == 2
    assert f"--no-report and {other} contradict each other" in capsys.readouterr().err


def test_the_group_shows_the_effects_that_came_in_or_says_why_not(with_reports, tmp_path):
    out = shutil.copytree(with_reports, tmp_path / "out")
    (path,) = (out / "node-dataset").glob("*_statmap.json")
    record = Record.read(path, out)
    geometry = read_geometry(record.result.mask)

    came_in = read_input_maps(record, out, geometry)["cue"]

    effects, errors = came_in.read(np.array([5, 9]))
    for number, label in enumerate(("01", "02")):
        (file,) = (out / f"node-subject/sub-{label}").rglob("*contrast-cue_stat-effect_*.nii.gz")
        expected = geometry.read_rows([file])[0][[5, 9]]
        np.testing.assert_array_equal(effects[number], expected)
        variance = geometry.read_rows([file.with_name(file.name.replace("-effect", "-variance"))])
        np.testing.assert_allclose(errors[number] ** 2, variance[0][[5, 9]])
    assert came_in.names == ("sub-01", "sub-02")
    assert (came_in.unit, came_in.design.tolist()) == ("%", [[1], [1]])

    file.unlink()
    assert main([str(tmp_path / "no-raw-data"), str(out), "group", "--reports-only"]) == 0

    words = "1 of 2 maps that came in are no longer where the sidecar names them (sub-02_"
    assert words in reports(out)["group.html"]
    assert words not in reports(with_reports)["group.html"]
