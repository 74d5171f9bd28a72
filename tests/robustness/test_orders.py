"""Jobs of one participant, in any order or at once, give what one call gives."""

import random
import subprocess
import sys

import pytest

from boldglm.demo.dataset import DatasetPlan, write_dataset

LABELS = ("01", "02", "03", "04")
OPTIONS = ("--noise-model", "ols", "--orthogonalize", "target ~ cue")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Return a dataset in which the first participant alone has the condition novel."""
    plan = DatasetPlan(n_subjects=len(LABELS), n_scans=60, shape=(6, 6, 5))
    bids = write_dataset(tmp_path_factory.mktemp("orders") / "bids", plan)
    events = bids / "sub-01/func/sub-01_task-cuetarget_run-1_events.tsv"
    events.write_text(events.read_text() + "90\t2\tnovel\n")
    return bids


def start(bids, out, level, *options):
    command = [sys.executable, "-m", "boldglm", str(bids), str(out), level, *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def end(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def contents(out):
    """Return the bytes of every map, table, sidecar, record, model and report."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes().replace(str(out).encode(), b"OUT")
        for pattern in ("node-*/**/*", "models/*", "*.html")
        for path in out.glob(pattern)
        if path.is_file()
    }


@pytest.fixture(scope="module")
def one_call(uneven, tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "out"
    end(start(uneven, out, "participant", *OPTIONS))
    end(start(uneven, out, "group"))
    return contents(out)


@pytest.mark.battery
@pytest.mark.parametrize("seed", range(20))
def test_every_order_of_jobs_gives_the_bytes_of_one_call(uneven, one_call, tmp_path, seed):
    chance = random.Random(seed)
    labels, width = chance.sample(LABELS, len(LABELS)), chance.choice((1, 1, 2, 4))
    while labels:
        jobs = [
            start(uneven, tmp_path, "participant", "--participant-label", label, *OPTIONS)
            for label in labels[:width]
        ]
        labels = labels[width:]
        for job in jobs:
            end(job)
    end(start(uneven, tmp_path, "group"))

    found = contents(tmp_path)

    assert found.keys() == one_call.keys()
    assert [name for name in found if found[name] != one_call[name]] == []
