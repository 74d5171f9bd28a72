"""The options that choose what is read: participants, files, times of volumes."""

import argparse
from pathlib import Path

from boldglm.cli.help_text import help_text
from boldglm.cli.values import (
    fraction,
    repetition_time,
    word_of,
)
from boldglm.vocabulary import (
    SLICE_TIME_REFERENCE,
    SLICE_TIMES,
)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose participants, sessions, tasks and runs."""
    group = parser.add_argument_group("selection (labels with or without sub-, ses-, ...)")
    group.add_argument(
        "--participant-label",
        nargs="+",
        metavar="LABEL",
        help=help_text("analyze only these participants", default="all"),
    )
    group.add_argument(
        "--session-label",
        nargs="+",
        metavar="LABEL",
        help=help_text("analyze only these sessions", default="all"),
    )
    group.add_argument(
        "-t",
        "--task",
        nargs="+",
        metavar="TASK",
        help=help_text("analyze only these tasks", default="all"),
    )
    group.add_argument(
        "--run-label",
        nargs="+",
        metavar="LABEL",
        help=help_text("analyze only these runs", default="all"),
    )
    group.add_argument(
        "--bids-filter-file",
        type=Path,
        metavar="FILE",
        help=help_text(
            "JSON file that selects runs by any entity, as for fMRIPrep. Example: "
            '{"bold": {"acquisition": "mb4", "echo": null}}. null means that the entity is absent'
        ),
    )
    _add_exclude(group)


def _add_exclude(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--exclude",
        nargs="+",
        action="extend",
        metavar="NAME",
        help=help_text(
            "leave out participants or runs: names such as sub-01 or sub-01_ses-a_task-go_run-2, "
            "or a table (TSV) with such names, or with columns participant_id, session, task and "
            "run. Its column reason is shown in the report. Repeatable"
        ),
    )


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that name files and folders to read."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "-d",
        "--derivatives",
        nargs="+",
        metavar="PATH",
        help=help_text(
            "folders of fMRIPrep or other preprocessed BIDS derivatives, as PATH or NAME=PATH; "
            "none to fit the raw data",
            default="fMRIPrep's folder in BIDS_DIR/derivatives, if there is one",
        ),
    )
    group.add_argument(
        "--space",
        metavar="SPACE",
        help=help_text(
            "space of the preprocessed data, such as MNI152NLin2009cAsym, "
            "MNI152NLin2009cAsym:res-2, fsaverage5, or func for the original grid of each run. "
            "Required if there are several spaces"
        ),
    )
    group.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help=help_text(
            "one brain mask for all runs, on their grid",
            default="the mask of each run in the derivatives; for raw data, computed from the run",
        ),
    )
    group.add_argument(
        "--mesh",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=help_text(
            "surfaces for smoothing and pictures of surface data: .surf.gii files, or "
            "FreeSurfer's, such as lh.white",
            default="those in the derivatives",
        ),
    )
    _add_index(group)


def _add_index(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--skip-bids-validation",
        "--skip-bids-validator",
        action="store_true",
        help=help_text(
            "accept a dataset_description.json that is missing or incomplete, and names of raw "
            "files that BIDS does not have. No other validator runs"
        ),
    )
    group.add_argument(
        "--bids-database-dir",
        type=Path,
        metavar="DIR",
        help=help_text(
            "folder that stores the index of a large dataset for later calls. It is updated when "
            "the dataset changes"
        ),
    )


def add_timing(parser: argparse.ArgumentParser) -> None:
    """Add the options about the times of volumes."""
    group = parser.add_argument_group("times of the volumes")
    group.add_argument(
        "--repetition-time",
        type=repetition_time,
        metavar="WHICH",
        help=help_text(
            "seconds between volumes:",
            {
                "sidecar, header": "as there, whatever the other says.",
                "SECONDS": "this value, for all runs.",
            },
            "that of the sidecar; a run whose header says otherwise is not analyzed",
        ),
    )
    group.add_argument(
        "--slice-time-reference",
        type=fraction,
        metavar="FRACTION",
        help=help_text(
            "time at which a volume is modeled, as a fraction of its acquisition (SliceTiming, "
            "or else the repetition time): 0 is its beginning, 1 its end. A StartTime in the "
            "sidecar, which slice timing correction leaves, has precedence",
            default=f"{SLICE_TIME_REFERENCE:g}, the middle",
        ),
    )
    group.add_argument(
        "--slice-times",
        type=word_of(SLICE_TIMES),
        choices=SLICE_TIMES,
        metavar="HOW",
        help=help_text(
            "when the slices of raw volumes are modeled:",
            {
                "reference": "all at the time of --slice-time-reference.",
                "model": "each at its own time (SliceTiming), without interpolation of data.",
            },
            SLICE_TIMES[0],
        ),
    )
