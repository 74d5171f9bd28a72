"""`--explain 'B ~ A'`: what correlated regressors make of estimates, in the report of each run."""

import json
import re
import shutil

import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset
from boldglm.errors import BadDataError
from boldglm.io.images.formats import read_geometry
from boldglm.io.outputs.records import Record

OLS = ("participant", "--noise-model", "ols")
CONFOUND = "cue ~ drift_1"


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    """Two participants and runs in which a target follows most cues at once."""
    plan = DatasetPlan(n_scans=100, shape=(6, 6, 5))
    folder = write_dataset(tmp_path_factory.mktemp("follows") / "bids", plan)
    for number, path in enumerate(sorted(folder.rglob("*_events.tsv"))):
        rng = np.random.default_rng(number)
        rows = ["onset\tduration\ttrial_type"]
        for start in np.arange(4, 180, 19):
            rows.append(f"{start:g}\t1\tcue")
            if rng.random() < 0.8:
                rows.append(f"{start + rng.uniform(1, 2):.3f}\t1\ttarget")
        path.write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def finished(bids, tmp_path_factory):
    """Return an output folder with both levels, without any option."""
    out = tmp_path_factory.mktemp("explain") / "out"
    assert main([str(bids), str(out), "participant", "--noise-model", "ols"]) == 0
    assert main([str(bids), str(out), "group"]) == 0
    return out


@pytest.fixture
def out(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "out")


def run_records(out, label="01"):
    paths = sorted((out / "node-run" / f"sub-{label}").rglob("*_statmap.json"))
    return [Record.read(path, out) for path in paths if "_stat-" not in path.name]


def rules(out, label="01"):
    return [[one.pair.rule for one in record.result.pairs] for record in run_records(out, label)]


def text_of(report):
    return re.sub(r"<[^>]+>|data:[^\"]*", " ", report.read_text())


def files_of(out):
    return {
        path.relative_to(out): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in out.glob("node-*/**/*_stat-*")
    }


def test_conditions_that_correlate_are_explained_without_being_asked_for(out):
    assert rules(out) == [["target ~ cue"]] * 2
    text = text_of(out / "sub-01.html")
    assert text.count("Correlated regressors: cue and target") == 2
    assert "Never subtract cue and target afterwards" in text
    assert "Mumford et al. 2015" in text


def test_spread_and_errors_are_those_of_the_maps(out):
    record = run_records(out)[0]
    geometry = read_geometry(record.result.mask)
    [measured] = record.result.pairs
    for name, key in (("cue", "first"), ("target", "second"), ("cue - target", "difference")):
        maps = record.result.contrast(name).maps
        effect, variance = (
            geometry.read_rows([maps[label]])[0] for label in ("effect", "variance")
        )
        deviation, error = measured.spread[key, "both"]
        assert deviation == pytest.approx(effect.std(), rel=1e-5)
        assert error == pytest.approx(np.median(np.sqrt(variance)), rel=1e-5)
    assert measured.n_voxels == geometry.n_voxels
    assert measured.spread["second", "orthogonalized"] == measured.spread["second", "both"]
    # by least squares, orthogonalizing is leaving out
    assert measured.spread["first", "orthogonalized"][0] == pytest.approx(
        measured.spread["first", "without"][0], rel=1e-6
    )


def test_a_pair_that_is_asked_for_later_changes_no_map_and_refits_nothing(bids, out, monkeypatch):
    before = files_of(out)
    group = (out / "group.html").read_bytes()
    monkeypatch.setattr(
        "boldglm.interfaces.fit.load_run", lambda *_: pytest.fail("the series was read again")
    )
    call = [str(bids), str(out), "participant", "--noise-model", "ols"]
    assert main([*call, "--participant-label", "01", "--explain", CONFOUND]) == 0

    assert rules(out) == [["target ~ cue", CONFOUND]] * 2
    assert rules(out, "02") == [["target ~ cue"]] * 2
    assert "Two regressors: drift_1 and cue" in text_of(out / "sub-01.html")
    assert {name: content for name, (content, _) in files_of(out).items()} == {
        name: content for name, (content, _) in before.items()
    }
    # the group, which starts from the same maps, has nothing to do
    assert main([str(bids), str(out), "group"]) == 0
    assert (out / "group.html").read_bytes() == group

    # nor has the same call again, with or without the option
    times = files_of(out)
    assert main([*call, "--participant-label", "01", "--explain", CONFOUND]) == 0
    assert main(call) == 0
    assert files_of(out) == times


def test_a_report_of_later_explains_what_the_record_has(bids, out):
    call = [str(bids), str(out), "participant", "--noise-model", "ols"]
    assert main([*call, "--participant-label", "01", "--explain", CONFOUND]) == 0
    report = (out / "sub-01.html").read_bytes()
    (out / "sub-01.html").unlink()
    assert main(["-", str(out), "participant", "--reports-only"]) == 0

    assert (out / "sub-01.html").read_bytes() == report


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([*OLS, "--explain", "tarjet ~ cue"], 65, "--explain 'tarjet ~ cue': there is no "
         "'tarjet'.*Did you mean 'trial_type.target'"),
        ([*OLS, "--explain", "target"], 65, "--explain 'target': cannot read"),
        (["group", "--explain", "target ~ cue"], 2, "--explain is about single runs"),
        (["participant", "--reports-only", "--explain", "target ~ cue"], 2,
         "--reports-only fits nothing, and --explain needs the fits of runs"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_refused(bids, out, options, code, words, capsys):
    assert main([str(bids), str(out), *options]) == code
    assert re.search(words, capsys.readouterr().err)


def test_a_run_that_lacks_the_pair_is_named(bids, tmp_path, capsys):
    bids = shutil.copytree(bids, tmp_path / "bids")
    events = bids / "sub-01/func/sub-01_task-cuetarget_run-1_events.tsv"
    kept = [line for line in events.read_text().splitlines() if "\ttarget" not in line]
    events.write_text("\n".join(kept) + "\n")
    call = [str(bids), str(tmp_path / "out"), "participant", "--dry-run"]
    assert main([*call, "--participant-label", "01", "--explain", "target ~ cue"]) == 0

    lines = capsys.readouterr().out.splitlines()
    excluded = [line for line in lines if line.startswith("excluded:") and "--explain" in line]
    [line] = excluded
    assert "sub-01_task-cuetarget_run-1" in line
    assert "there is no 'trial_type.target'" in line or "there is no 'target'" in line
    # the other run has its table
    assert sum("without target   " in line for line in lines) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pair: pair["Densities"][0]["Rows"].pop(), "a density that is no square of digits"),
        (lambda pair: pair.update(Second="trial_type.other"), "'trial_type.other' without a col"),
        (lambda pair: pair.update(Limit=None), "None, not a finite number"),
        (lambda pair: pair["Spread"].update(first=[1, 2]), "an estimate 'first'"),
    ],
)
def test_a_damaged_pair_is_a_damaged_record(out, change, words):
    path = next(path for path in out.glob("node-run/sub-01/func/*_statmap.json")
                if "_stat-" not in path.name)  # fmt: skip
    content = json.loads(path.read_text())
    change(content["boldglm"]["Result"]["Pairs"][0])
    path.write_text(json.dumps(content))

    with pytest.raises(BadDataError, match=f"is damaged: its Pairs have .*{words}"):
        Record.read(path, out)
