"""`--plan-file plan.html`: the page of a plan, on data made here."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three participants with two runs each, of which the last has few trials."""
    folder = write_dataset(
        tmp_path_factory.mktemp("page") / "bids",
        DatasetPlan(n_subjects=3, n_scans=100, shape=(5, 5, 4)),
    )
    for number, path in enumerate(sorted(folder.rglob("*_events.tsv"))):
        rng = np.random.default_rng(number)
        rows = ["onset\tduration\ttrial_type"]
        for start in np.arange(4, 180, 60 if number == 5 else 20):
            rows.append(f"{start:g}\t1\tcue")
            if rng.random() < 0.8 or number == 5:
                rows.append(f"{start + rng.uniform(1, 2.5):.3f}\t1\ttarget")
        path.write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def page(tmp_path, monkeypatch, capsys):
    """Return a function that makes a dry run of a dataset and returns the page that it wrote."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def make(bids, *options, code=0):
        file = tmp_path / "plans/plan.html"
        call = [str(bids), str(tmp_path / "out"), "participant", "--dry-run", *options]
        assert main([*call, "--plan-file", str(file)]) == code
        assert list(scratch.iterdir()) == []  # pictures are in the page
        assert not (tmp_path / "out").exists()
        return file.read_text() if file.exists() else ""

    return make


def cells(html, caption):
    """Return the rows of the table whose caption starts so."""
    tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    table = next(one for one in tables if f"<span>{caption}" in one)
    return [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
        for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    ]


class Checker(HTMLParser):
    """Collects the pictures of a page, and what it would load."""

    def __init__(self, html):
        super().__init__()
        self.alts, self.loaded = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "img":
            self.alts.append(given.get("alt", ""))
        if tag in ("img", "script", "link"):
            source = given.get("src") or given.get("href") or ""
            self.loaded += [source] if source and not source.startswith("data:") else []


def test_words_come_before_numbers_and_numbers_before_designs(page, study):
    html = page(study)

    order = [
        "What stands out",
        "cue and target share",
        "Nothing was excluded.",
        "<h2>Precision of the contrasts</h2>",
        "<h2>Least certain run: sub-03_task-cuetarget_run-2</h2>",
        "<h2>Typical run: ",
        "<h2>Subject level, node subject</h2>",
        "<h2>Dataset level, node dataset</h2>",
        "--plan-file",  # how to reproduce
    ]
    places = [html.index(words) for words in order]
    assert places == sorted(places)
    assert "The least certain run is sub-03_task-cuetarget_run-2" in html


def test_the_page_has_the_standard_errors_of_the_table(page, study, tmp_path):
    html = page(study)
    table = tmp_path / "plan.tsv"
    call = [str(study), str(tmp_path / "out"), "participant", "--dry-run"]
    assert main([*call, "--plan-file", str(table)]) == 0
    lines = [line.split("\t") for line in table.read_text().splitlines()[1:]]

    rows = {row[0]: row for row in cells(html, "Medians over runs")[1:]}
    assert rows.keys() == {"cue", "target", "cue - target", "any condition"}
    for name, row in rows.items():
        errors = {line[1]: float(line[6]) for line in lines if line[2] == name}
        times = np.median([float(line[7]) for line in lines if line[2] == name])
        worst = max(errors, key=errors.__getitem__)
        assert row[2] == "6 of 6"
        assert float(row[3]) == pytest.approx(np.median(list(errors.values())), rel=6e-3)
        assert float(row[4].removeprefix("×")) == pytest.approx(times, abs=6e-3)
        assert float(row[5].removeprefix("×")) == pytest.approx(times**2, rel=0.06)
        assert row[6] == f"{errors[worst]:.3g} in {worst.replace('_task-cuetarget', '')}"


def test_notices_of_runs_are_said_once(page, study):
    html = page(study)

    assert html.count("the brain mask was computed from the series") == 1
    assert "sub-01_task-cuetarget_run-2 and 4 more: the brain mask was computed" in html


def test_of_pairs_that_share_little_only_the_first_have_a_row(page, study, tmp_path):
    bids = shutil.copytree(study, tmp_path / "bids")
    for number, path in enumerate(sorted(bids.rglob("*_events.tsv"))):
        rng = np.random.default_rng(number)
        names = rng.permutation([f"c{k}" for k in range(5)] * 4)
        rows = [f"{4 + 9 * k}\t1\t{name}" for k, name in enumerate(names)]
        path.write_text("\n".join(["onset\tduration\ttrial_type", *rows]) + "\n")

    html = page(bids)

    rows = cells(html, "Variance that two regressors share")[1:]
    shares = [int(row[2].removesuffix(" %")) for row in rows]
    assert 3 <= len(rows) < 10
    assert all(share >= 5 for share in shares[3:])
    assert f"{10 - len(rows)} pairs that share less not shown" in html


def test_pictures_have_words_and_nothing_is_loaded(page, study):
    checked = Checker(page(study))

    assert checked.loaded == []
    assert len(checked.alts) > 8
    assert min(map(len, checked.alts)) > 30
    (precision,) = [alt for alt in checked.alts if alt.startswith("Medians of predicted")]
    assert "with uncorrelated regressors" in precision


def test_excluded_runs_and_contrasts_that_runs_cannot_estimate_are_named(page, study, tmp_path):
    bids = shutil.copytree(study, tmp_path / "bids")
    (bids / "sub-01/func/sub-01_task-cuetarget_run-1_events.tsv").unlink()
    together = bids / "sub-02/func/sub-02_task-cuetarget_run-1_events.tsv"
    rows = [f"{start:g}\t1\t{name}" for start in range(4, 180, 20) for name in ("cue", "target")]
    together.write_text("\n".join(["onset\tduration\ttrial_type", *rows]) + "\n")

    html = page(bids)

    exclusions = html[html.index('<aside class="notices exclusion"') :]
    assert "sub-01_task-cuetarget_run-1_bold.nii.gz has no events file" in exclusions
    assert "<h2>Least certain run: sub-02_task-cuetarget_run-1</h2>" in html
    heading, worst, *others = cells(html, "Runs, the least certain")
    assert heading[-1] == "Contrasts that it cannot estimate"
    assert (worst[0], worst[-1]) == ("sub-02_run-1", "cue, target, cue - target, any condition")
    assert {row[-1] for row in others} == {"none"}


def test_each_node_of_a_group_design_is_drawn(page, study, tmp_path):
    bids = shutil.copytree(study, tmp_path / "bids")
    (bids / "participants.tsv").write_text(
        "participant_id\tage\nsub-01\t20\nsub-02\t30\nsub-03\t25\n"
    )
    run = {
        "Level": "Run", "Name": "run", "GroupBy": ["run", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [
                {"Name": "Factor", "Input": ["trial_type"]},
                {"Name": "Convolve", "Input": ["trial_type.cue"], "Model": "spm"},
            ],
        },
        "Model": {"Type": "glm", "X": ["trial_type.cue", 1]},
        "DummyContrasts": {"Test": "t"},
    }  # fmt: skip
    nodes = [
        run,
        {"Level": "Subject", "Name": "subject", "GroupBy": ["subject", "contrast"],
         "Model": {"Type": "meta", "X": [1]}, "DummyContrasts": {"Test": "t"}},
        {"Level": "Dataset", "Name": "aging", "GroupBy": ["contrast"],
         "Model": {"Type": "glm", "X": [1, "age"]}, "DummyContrasts": {"Test": "t"}},
    ]  # fmt: skip
    model = tmp_path / "aging_smdl.json"
    model.write_text(json.dumps({"Name": "aging", "BIDSModelVersion": "1.0.0", "Nodes": nodes}))

    html = page(bids, "-m", str(model))

    part = html[html.index("<h2>Dataset level, node aging</h2>") :]
    (alt, *_) = Checker(part).alts
    assert "3 inputs, and the columns intercept, age" in alt
    drawing = base64.b64decode(re.search(r"data:image/svg\+xml;base64,([^\"]+)", part)[1]).decode()
    assert all(f">sub-0{number}</text>" in drawing for number in (1, 2, 3))
    rows = cells(part, "What is estimated")[1:]
    assert {tuple(row[2:]) for row in rows} == {("trial_type.cue", "3", "intercept, age", "1")}


def test_a_broken_plan_fails_and_leaves_the_page_of_an_earlier_one(page, study, capsys):
    before = page(study)

    after = page(study, "--contrast", "cue - nobody", code=65)

    assert "nobody" in capsys.readouterr().err
    assert after == before


def test_a_plan_is_never_written_into_the_dataset(study, tmp_path, capsys):
    file = study / "plan.html"
    call = [str(study), str(tmp_path / "out"), "participant", "--dry-run"]

    assert main([*call, "--plan-file", str(file)]) == 2

    assert "lies in BIDS_DIR" in capsys.readouterr().err
    assert not file.exists()
    inside = study / "derivatives/plans/plan.html"
    assert main([*call, "--plan-file", str(inside)]) == 0
    assert inside.stat().st_size > 10_000


def test_a_folder_that_cannot_be_made_is_named(study, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    call = [str(study), str(tmp_path / "out"), "participant", "--dry-run"]

    code = main([*call, "--plan-file", str(tmp_path / "file/plan.html")])

    assert code == 73
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_correlated_regressors_are_explained_as_far_as_designs_tell(study, page):
    html = page(study, "--explain", "cue ~ drift_1")

    assert html.count("<h3>Correlated regressors: cue and target</h3>") == 3  # drawn runs
    assert html.count("<h3>Two regressors: drift_1 and cue</h3>") == 3
    assert "were not compared over voxels, because nothing was fitted" in html
    [heading, *rows] = cells(html, "What each model makes of it")
    assert heading[3] == "Predicted SE"
    assert "SD over voxels" not in heading
    assert [row[:2] for row in rows[:2]] == [["cue", "without target"], ["cue", "both"]]


def test_each_task_has_sections_and_sentences_of_its_own(page, study, tmp_path, capsys):
    bids = shutil.copytree(study, tmp_path / "bids")
    for path in [*bids.glob("task-*"), *bids.rglob("func/*")]:
        shutil.copy(path, path.with_name(path.name.replace("task-cuetarget", "task-other")))
    sidecar = bids / "task-other_bold.json"
    sidecar.write_text(sidecar.read_text().replace("cuetarget", "other"))

    html = page(bids)

    titles = re.findall(r"<h2>(.*?)</h2>", html)
    of_tasks = [title.partition(": ")[0] for title in titles if "Precision of" in title]
    assert len(set(of_tasks)) == 2
    summary = html[html.index("What stands out") : html.index("</section>")]
    assert all(f"<p>{name}: cue and target share" in summary for name in of_tasks)
    assert main(["power", str(bids), str(tmp_path / "out"), "--effect", "1"]) == 2
    assert "power is that of one. Choose with --task." in capsys.readouterr().err
