"""What `--dry-run` prints: a design for each run, and the plan of higher levels."""

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
    level = table.index("Subject level, node subject (meta), sub-01_task-cuetarget:")

    assert table[level + 1] == (
        "  2 inputs, columns intercept: cue (t), target (t), cue - target (t)"
    )


def test_what_is_excluded_is_called_excluded(lines):
    assert "excluded: sub-02_task-cuetarget_run-2_bold.nii.gz has no events file" in lines()


def test_one_run_of_one_participant_is_singular(lines):
    assert "Model default: 1 run of 1 participant" in lines("--participant-label", "02")
