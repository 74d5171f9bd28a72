"""SIGINT, SIGTERM and SIGHUP end every call at once, with one line and nothing left."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stopped_calls import OPTIONS, call, temporary_files

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
FIRST_WORDS = {
    signal.SIGINT: "boldglm: interrupted.",
    signal.SIGTERM: "boldglm: terminated.",
    signal.SIGHUP: "boldglm: the terminal was closed.",
}
SECONDS = 2.0


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_process_1_of_a_container_ends_as_well(tiny, tmp_path, number):
    """The system spares process 1 whatever it has no handler for."""
    namespace = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("namespaces cannot be created here")
    log, out = tmp_path / "log", tmp_path / "out"
    program = [sys.executable, "-m", "boldglm", str(tiny), str(out), "participant", *OPTIONS]
    with log.open("wb") as file:
        outside = subprocess.Popen(
            [*namespace, *program, "--nprocs", "2"], stdout=file, stderr=file
        )
    time.sleep(1.5)
    children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()
    begun = time.monotonic()
    os.kill(int(children[0]), number)

    assert outside.wait(30) == CODES[number], log.read_text()
    assert time.monotonic() - begun < SECONDS
    assert FIRST_WORDS[number] in log.read_text()
    assert not temporary_files(out)


def test_a_second_signal_changes_nothing(tiny, tmp_path):
    stopped = call(tiny, tmp_path / "a" / "out", "participant", "--nprocs", "2")
    assert stopped.at(1.5)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        stopped.process.send_signal(number)

    assert stopped.process.wait(5) in (130, 143)
    assert stopped.text().count("boldglm:") == 1
    assert not stopped.running()
    assert not temporary_files(tmp_path / "a" / "out")


def test_interrupts_reach_python_programs_too(tiny, tmp_path):
    """Without the command's own processes, Ctrl-C is an exception, which nipype must not take."""
    program = "import sys; from boldglm.cli.main import main; sys.exit(main(sys.argv[1:]))"
    out = tmp_path / "out"
    arguments = [str(tiny), str(out), "participant", *OPTIONS]
    python = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in "&" ignore it
    )  # fmt: skip
    while not list(out.glob(".boldglm-work/*/boldglm_wf")):
        assert python.poll() is None
        time.sleep(0.01)
    python.send_signal(signal.SIGINT)
    _, text = python.communicate(timeout=60)

    assert python.returncode == 130, text
    assert "boldglm: interrupted" in text
    assert not temporary_files(out)
