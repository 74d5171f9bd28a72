"""What nodes failed of is told by its text, with the exit code that fits."""

from pathlib import Path

import pytest

from boldglm.workflows.failures import failure

FOLDER = Path("out/work")


def no_report():
    raise OSError(28, "No space left on device")


def test_an_error_of_boldglm_is_its_message_without_a_path_to_a_crash_file():
    told = failure("  boldglm.errors.BadDataError: a.tsv has no rows.\nmore", lambda: "c", FOLDER)

    assert (told.message, told.exit_code, told.is_final) == ("a.tsv has no rows.", 1, False)


@pytest.mark.parametrize(
    ("trace", "path"),
    [
        ("OSError: [Errno 28] No space left on device: 'out/a.pklz'", "out/a.pklz"),
        ("OSError: [Errno 122] Disk quota exceeded", "out/work"),
        ("\tOSError: [Errno 27] File too large", "out/work"),
    ],
)
def test_a_full_disk_is_final_and_named(trace, path):
    told = failure(f"Traceback\n{trace}\n", no_report, FOLDER)

    assert told.message.startswith(f"{path} cannot be written: ")
    assert (told.exit_code, told.is_final) == (73, True)


def test_a_folder_of_one_participant_that_cannot_be_written_does_not_stop_the_others():
    trace = "boldglm.errors.CannotWriteError: out/sub-02 cannot be written: Permission denied."

    told = failure(trace, no_report, FOLDER)
    assert (told.exit_code, told.is_final) == (73, False)


def test_a_limit_of_the_system_is_told_with_the_way_out():
    told = failure("OSError: [Errno 24] Too many open files: 'a'", no_report, FOLDER)

    assert told.message == (
        "a: Too many open files. Raise the number of files that a process may open (ulimit -n)."
    )
    assert told.exit_code == 1


@pytest.mark.parametrize(
    ("report", "end"), [(lambda: "crash.txt", " (details in crash.txt)"), (no_report, "")]
)
def test_what_nobody_expected_is_told_with_its_crash_file_if_there_is_one(report, end):
    told = failure("Traceback\nZeroDivisionError: division by zero\n", report, FOLDER)

    assert told.message == f"ZeroDivisionError: division by zero{end}"
