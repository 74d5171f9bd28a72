"""What `--dry-run` prints: a design for each run, and the plan of higher levels."""

import csv
import json
import shutil

import numpy as np
import pytest

from boldglm.cli.main import main
from boldglm.demo.dataset import DatasetPlan, write_dataset

SMALL = DatasetPlan(n_scans=60, shape=(8, 8, 6))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_dataset(tmp_path_factory.mktemp("dry") / "bids", SMALL)
    (folder / "sub-02/func/sub-02_task-cuetarget_run-2_events.tsv").unlink()
    return folder


@pytest.fixture
def lines(data, tmp_path, capsys):
    def dry_run(*options):
        assert main([str(data), str(tmp_path / "out"), "participant", "--dry-run", *options]) == 0
        return capsys.readouterr().out.splitlines()

    return dry_run


def test_columns_are_aligned_whatever_the_length_of_names(lines):
    name = "a name of a contrast that is longer than thirty-two letters"
    table = lines("--contrast", f"{name} = cue - target", "--contrast", "cue")

    heading = next(line for line in table if "efficiency" in line)
    rows = [line for line in table if line.startswith((f"    {name}", "    cue "))]
    end = heading.index("efficiency") + len("efficiency")
    assert len(rows) == 6
    assert {row[end : end + 2] for row in rows} == {"  "}
    assert all(row[end - 1].isdigit() for row in rows)
    vif = {line.index("VIF") for line in table if line.startswith("    trial_type.")}
    assert vif == {heading.index("efficiency")}


def test_contrasts_of_equal_inputs_and_columns_share_a_line(lines):
    table = lines()
    level = next(k for k, line in enumerate(table) if line.startswith("Subject level"))

    assert table[level + 1] == (
        "  2 inputs, columns intercept: cue (t), target (t), cue - target (t)"
    )


def test_what_is_excluded_is_called_excluded(lines):
    assert "excluded: sub-02_task-cuetarget_run-2_bold.nii.gz has no events file" in lines()


def test_one_run_of_one_participant_is_singular(lines):
    assert "Model default: 1 run of 1 participant" in lines("--participant-label", "02")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Six runs in which a target follows almost every cue at once; one of them has few trials."""
    folder = write_dataset(
        tmp_path_factory.mktemp("many") / "bids",
        DatasetPlan(n_subjects=3, n_scans=120, shape=(5, 5, 4)),
    )
    for number, path in enumerate(sorted(folder.rglob("*_events.tsv"))):
        rng = np.random.default_rng(number)
        rows = ["onset\tduration\ttrial_type"]
        for start in np.arange(4, 220, 70 if number == 4 else 24):
            rows.append(f"{start:g}\t1\tcue")
            if rng.random() < 0.8 or number == 4:
                rows.append(f"{start + rng.uniform(1, 2.5):.3f}\t1\ttarget")
        path.write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def dry_run(many, tmp_path, capsys):
    def run(*options, code=0):
        call = [str(many), str(tmp_path / "out"), "participant", "--dry-run", *options]
        assert main(call) == code
        shown = capsys.readouterr()
        return shown.out, shown.err

    return run


def test_the_dry_run_of_many_runs_says_what_stands_out_and_shows_the_worst_run(dry_run):
    out, _ = dry_run()
    text = " ".join(out.split())

    assert "cue and target share" in text
    assert "(median of 6 runs;" in text
    assert "The least certain run is sub-03_task-cuetarget_run-1: " in text
    assert out.count("condition number") == 1  # of one run
    assert "5 other runs not shown" in out
    subjects = ", ".join(f"sub-0{number}_task-cuetarget" for number in (1, 2, 3))
    assert f"node subject (meta), {subjects}:" in out
    assert len(out.splitlines()) < 50


def test_verbose_shows_every_run(dry_run):
    out, _ = dry_run("--verbose")

    assert out.count("condition number") == 6


def test_the_advice_on_orthogonalized_regressors_says_what_estimates_mean(dry_run):
    out, _ = dry_run("--orthogonalize", "target ~ cue")
    text = " ".join(out.split())

    assert "the estimate of cue includes what they share" in text
    assert "Do not subtract one from the other" in text


def test_a_pair_is_explained_if_asked_for_and_else_the_option_is_named(dry_run):
    hint = "--explain 'target ~ cue' shows what models with one or both make of estimates."
    out, _ = dry_run()
    assert hint in " ".join(out.split())
    assert "Volumes needed" not in out

    out, _ = dry_run("--explain", "target ~ cue")
    assert hint not in " ".join(out.split())
    start = out.index("    Estimate ")
    rows = [line.split("  ") for line in out[start:].splitlines()[1:9]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert [row[:2] for row in cells[:2]] == [["cue", "without target"], ["cue", "both"]]
    # as the precision of the contrast of the same name says
    [said] = {line.split()[-1] for line in out.splitlines() if line.startswith("    cue  ")
              and len(line.split()) == 3}  # fmt: skip
    assert cells[1][3] == said
    assert out.count("Volumes needed") == 1  # of the one run that is shown


def test_the_plan_file_has_the_precision_of_every_contrast_in_every_run(dry_run, tmp_path):
    table, everything = tmp_path / "plan.tsv", tmp_path / "plan.json"
    dry_run("--plan-file", str(table))
    dry_run("--plan-file", str(everything))

    with table.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    (analysis,) = json.loads(everything.read_text())["Analyses"]
    runs = {run["Run"]: run for run in analysis["Runs"]}
    assert len(rows) == 6 * 4
    assert len(runs) == 6
    for row in rows:
        run = runs[row["run"]]
        assert row["estimable"] == "true"
        if row["contrast"] in ("cue", "target"):  # of one regressor: by its inflation factor
            vif = run["VarianceInflationFactors"][f"trial_type.{row['contrast']}"]
            assert float(row["times_uncorrelated"]) == pytest.approx(np.sqrt(vif), rel=1e-5)
    assert len(analysis["Levels"]) == 3 + 1
    assert any("share" in sentence for sentence in analysis["Advice"])


def test_a_difference_of_two_correlated_regressors_loses_as_derived(dry_run, tmp_path):
    # lengths a, b and correlation r, nothing else: variances by the inverse of X'X
    everything = tmp_path / "plan.json"
    dry_run("--plan-file", str(everything), "--drift", "none")
    (analysis,) = json.loads(everything.read_text())["Analyses"]
    (pair,) = analysis["CorrelatedRegressors"]

    for run in analysis["Runs"]:
        r = np.sqrt(pair["SharedVariance"][run["Run"]])
        single = run["Contrasts"]["cue"], run["Contrasts"]["target"]
        difference = run["Contrasts"]["cue - target"]
        # 1 / length² of each regressor, from its standard error alone
        a, b = ((one["PredictedStandardError"] / one["TimesUncorrelated"]) ** 2 for one in single)
        variance = (a + b + 2 * r * np.sqrt(a * b)) / (1 - r**2)
        assert difference["PredictedStandardError"] == pytest.approx(np.sqrt(variance), rel=1e-6)
        assert difference["TimesUncorrelated"] == pytest.approx(
            np.sqrt(variance / (a + b)), rel=1e-6
        )


def test_runs_that_cannot_estimate_a_contrast_are_named(many, tmp_path, capsys):
    folder = shutil.copytree(many, tmp_path / "bids")
    table = folder / "sub-02/func/sub-02_task-cuetarget_run-1_events.tsv"
    rows = [f"{start:g}\t1\t{name}" for start in range(4, 220, 24) for name in ("cue", "target")]
    table.write_text("\n".join(["onset\tduration\ttrial_type", *rows]) + "\n")

    assert main([str(folder), str(tmp_path / "out"), "participant", "--dry-run"]) == 0
    text = " ".join(capsys.readouterr().out.split())

    said = "1 run of 6 cannot estimate the contrast 'cue', and do not count for it: "
    assert f"{said}sub-02_task-cuetarget_run-1." in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plan-file", "plan.tsv"], "Add --dry-run"),
        (["--dry-run", "--plan-file", "plan.xlsx"], "none of .html, .tsv, .json"),
    ],
)
def test_a_plan_file_that_cannot_be_is_refused(many, tmp_path, capsys, options, message):
    code = main([str(many), str(tmp_path / "out"), "participant", *options])

    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_contrast_of_the_constant_has_no_precision_to_lose(many, tmp_path, capsys):
    model = tmp_path / "mean_smdl.json"
    node = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Model": {"Type": "glm", "X": [1, "trial_type.cue"]},
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [
                {"Name": "Factor", "Input": ["trial_type"]},
                {"Name": "Convolve", "Input": ["trial_type.cue"], "Model": "spm"},
            ],
        },
        "Contrasts": [{"Name": "mean", "ConditionList": [1], "Weights": [1], "Test": "t"}],
    }
    content = {"Name": "mean", "BIDSModelVersion": "1.0.0", "Nodes": [node]}
    model.write_text(json.dumps(content))
    table = tmp_path / "plan.tsv"

    call = [str(many), str(tmp_path / "out"), "run", "--dry-run", "-m", str(model)]
    assert main([*call, "--plan-file", str(table)]) == 0

    assert "Nothing stands out" in capsys.readouterr().out
    with table.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 6
    assert {row["times_uncorrelated"] for row in rows} == {"n/a"}
