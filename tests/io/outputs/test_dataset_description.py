"""The description of the output folder, which jobs share."""

import json
import random
from multiprocessing import get_context
from pathlib import Path

import pytest

from boldglm.io.outputs import dataset_description
from boldglm.io.outputs.dataset_description import MORE_COMMANDS, describe_dataset

LINKS = {"raw": "file:///data/study"}


def commands_in(folder: Path) -> list[str]:
    """The commands that the description names."""
    description = json.loads((folder / "dataset_description.json").read_text())
    assert {entry["Name"] for entry in description["GeneratedBy"]} == {"boldglm"}
    return [entry["Description"] for entry in description["GeneratedBy"]]


def test_every_command_is_named_once_and_sorted(tmp_path):
    for command in ("boldglm b", "boldglm a", "boldglm b"):
        describe_dataset(tmp_path, "study", command, LINKS)

    assert commands_in(tmp_path) == ["boldglm a", "boldglm b"]


def test_the_order_of_the_jobs_does_not_matter(tmp_path):
    commands = [f"boldglm --participant-label {number:02d}" for number in range(6)]
    contents = set()
    for seed in range(3):
        random.Random(seed).shuffle(commands)
        for command in commands:
            describe_dataset(tmp_path / str(seed), "study", command, LINKS)
        contents.add((tmp_path / str(seed) / "dataset_description.json").read_bytes())

    assert len(contents) == 1


def describe_as_job(folder: Path, number: int, start) -> None:
    start.wait()
    links = {**LINKS, f"derivative{number}": f"file:///data/derivative{number}"}
    describe_dataset(folder, "study", f"boldglm job {number}", links)


def test_jobs_at_the_same_time_lose_no_command_and_no_link(tmp_path):
    context = get_context("fork")
    for attempt in range(5):
        folder, start = tmp_path / str(attempt), context.Event()
        jobs = [
            context.Process(target=describe_as_job, args=(folder, number, start))
            for number in range(8)
        ]
        for job in jobs:
            job.start()
        start.set()
        for job in jobs:
            job.join(60)

        assert [job.exitcode for job in jobs] == [0] * 8
        assert commands_in(folder) == [f"boldglm job {number}" for number in range(8)]
        description = json.loads((folder / "dataset_description.json").read_text())
        assert len(description["DatasetLinks"]) == 9
        assert len(description["SourceDatasets"]) == 9


def test_commands_stay_named_where_the_logs_are_gone(tmp_path):
    describe_dataset(tmp_path, "study", "boldglm a", LINKS)
    for path in (tmp_path / "logs" / "commands").iterdir():
        path.unlink()
    describe_dataset(tmp_path, None, "boldglm b", LINKS)

    assert commands_in(tmp_path) == ["boldglm a", "boldglm b"]
    name = json.loads((tmp_path / "dataset_description.json").read_text())["Name"]
    assert name == "boldglm: voxelwise GLM of study"


@pytest.mark.parametrize("order", [range(7), reversed(range(7))])
def test_the_number_of_commands_is_bounded_whatever_their_order(tmp_path, monkeypatch, order):
    monkeypatch.setattr(dataset_description, "MOST_COMMANDS", 4)
    for number in order:
        describe_dataset(tmp_path, "study", f"boldglm {number}", LINKS)

    assert commands_in(tmp_path) == [*(f"boldglm {number}" for number in range(4)), MORE_COMMANDS]


def test_a_moved_input_is_linked_where_it_is_now(tmp_path):
    describe_dataset(tmp_path, "study", "boldglm a", {"raw": "file:///old", "prep": "file:///p"})
    describe_dataset(tmp_path, "study", "boldglm b", {"raw": "file:///new"})

    links = json.loads((tmp_path / "dataset_description.json").read_text())["DatasetLinks"]
    assert links == {"prep": "file:///p", "raw": "file:///new"}


def test_a_damaged_description_is_written_again(tmp_path):
    (tmp_path / "dataset_description.json").write_text('{"Name": ')
    describe_dataset(tmp_path, "study", "boldglm a", LINKS)

    assert commands_in(tmp_path) == ["boldglm a"]
