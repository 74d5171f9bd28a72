"""However often a call is killed, the same command in the end gives the same bytes."""

import random
import signal

import pytest

from stopped_calls import (
    LEVELS,
    call,
    contents,
    finished,
    temporary_files,
)


def kill(dataset, out, level, nprocs, delay):
    """Kill a call after some time; return whether it was at work."""
    killed = call(dataset, out, level, "--nprocs", nprocs)
    if not killed.at(delay):
        assert killed.process.returncode == 0, killed.text()
        return False
    killed.stop(signal.SIGKILL)
    return True


def differences(files, expected):
    return [
        name
        for name in sorted(files.keys() | expected.keys())
        if files.get(name) != expected.get(name)
    ]


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_a_call_after_kills_gives_the_same_bytes(tiny, undisturbed, tmp_path, nprocs):
    out, chance = tmp_path / "a" / "out", random.Random(nprocs)
    for level in LEVELS:
        for _ in range(2):
            kill(tiny, out, level, nprocs, chance.uniform(0.8, 2.5))
        if level == "participant":
            ended = call(tiny, out, level, "--nprocs", nprocs)
            assert ended.process.wait(120) == 0, ended.text()
    files = finished(tiny, out, "--nprocs", nprocs)

    assert not differences(files, undisturbed(nprocs))
    assert not temporary_files(out)


@pytest.mark.battery
@pytest.mark.parametrize("nprocs", ["1", "2", "3", "4"])
def test_fifty_kills_at_any_time(tiny, undisturbed, tmp_path, nprocs):
    chance, kills = random.Random(int(nprocs)), 0
    expected = undisturbed(nprocs)
    while kills < 50:
        out = tmp_path / str(kills) / "out"
        for level, longest in zip(LEVELS, (3.0, 2.0), strict=True):
            for _ in range(chance.randint(1, 3)):
                kills += kill(tiny, out, level, nprocs, chance.uniform(0.3, longest))
            ended = call(tiny, out, level, "--nprocs", nprocs)
            assert ended.process.wait(120) == 0, ended.text()
            assert not ended.running()
        assert not differences(contents(out), expected)
        assert not temporary_files(out)
    print(f"\n{kills} kills with {nprocs} processes")  # noqa: T201 - shown by `make battery`
