"""SIGINT, SIGTERM and SIGHUP end every call at once, with one line and nothing left."""

import random
import signal

import pytest

from stopped_calls import call, temporary_files, write_tiny_dataset

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
FIRST_WORDS = {
    signal.SIGINT: "boldglm: interrupted.",
    signal.SIGTERM: "boldglm: terminated.",
    signal.SIGHUP: "boldglm: the terminal was closed.",
}
SECONDS = 2.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "bids")


def stop_at(dataset, out, number, delay, *options, level="participant"):
    """Stop a call, check what it leaves, and return how long it took; None if it ended before."""
    stopped = call(dataset, out, level, *options)
    if not stopped.at(delay):
        assert stopped.process.returncode == 0, stopped.text()
        return None
    seconds = stopped.stop(number)
    if stopped.process.returncode == 0 and "Nothing was excluded" in stopped.text():
        return None  # it ended in the same moment
    assert stopped.process.returncode == CODES[number], stopped.text()
    assert stopped.text().count(FIRST_WORDS[number]) == 1
    assert "Traceback" not in stopped.text()
    assert not stopped.running()
    if out.exists():
        assert not temporary_files(out)
        assert not list(out.glob("logs/crash*"))
    return seconds


@pytest.mark.parametrize("nprocs", ["1", "2"])
@pytest.mark.parametrize("number", list(CODES))
def test_a_signal_ends_a_call_within_two_seconds(tiny, tmp_path, number, nprocs):
    delay = random.Random(f"{number} {nprocs}").uniform(0.5, 2)
    seconds = stop_at(tiny, tmp_path / "a" / "out", number, delay, "--nprocs", nprocs)

    assert seconds is None or seconds < SECONDS


@pytest.mark.battery
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_hundred_signals_at_any_time(tiny, tmp_path, number):
    chance = random.Random(int(number))
    times = []
    while len(times) < 100:
        out = tmp_path / str(len(times)) / "out"
        nprocs = str(len(times) % 4 + 1)
        seconds = stop_at(tiny, out, number, chance.uniform(0.15, 3.5), "--nprocs", nprocs)
        if seconds is not None:
            times.append(seconds)
    shown = f"{number.name}: longest {max(times):.2f} s, median {sorted(times)[50]:.2f} s"
    print(f"\n{shown}")  # noqa: T201 - shown by `make battery`

    assert max(times) < SECONDS
