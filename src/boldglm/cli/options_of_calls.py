"""The options of tests, of what is written, and of how a call works."""

import argparse
from pathlib import Path

from boldglm._version import __version__
from boldglm.cli.help_text import help_text
from boldglm.cli.values import (
    gigabytes,
    map_name,
    plan_file,
    positive,
    word_of,
)
from boldglm.vocabulary import (
    CLUSTER_P,
    DEFAULT_MAPS,
    MISSING_PARTICIPANTS,
    NIPYPE_PLUGINS,
    RUN_MAPS,
    SIDE,
    SIDES,
    SINGLE_TRIALS,
)


def add_inference(parser: argparse.ArgumentParser) -> None:
    """Add the options of the test over participants."""
    group = parser.add_argument_group("group inference")
    _add_first_level(group)
    group.add_argument(
        "--missing-participants",
        type=word_of(MISSING_PARTICIPANTS),
        choices=MISSING_PARTICIPANTS,
        metavar="POLICY",
        help=help_text(
            "what to do if participants of the dataset have no finished results:",
            {"exclude": "test the others, and name them.", "error": "test nothing."},
            MISSING_PARTICIPANTS[0],
        ),
    )
    group.add_argument(
        "--permutations",
        type=positive,
        metavar="N",
        help=help_text(
            "also write family-wise error p values of voxels, cluster extent and cluster mass, "
            "from N permutations (sign flips; Freedman-Lane for covariates and groups)",
            default="uncorrected p values and q values only",
        ),
    )
    group.add_argument(
        "--sides",
        type=word_of(SIDES),
        choices=SIDES,
        metavar="SIDES",
        help=help_text(
            "tails of t that q values, cluster tables and permutations test:",
            {
                "two": "positive and negative effects; a cluster has one sign.",
                "one": "positive effects only.",
            },
            SIDE,
        ),
    )
    group.add_argument(
        "--cluster-p",
        type=float,
        metavar="P",
        help=help_text(
            "cluster-forming threshold: p in each tail that is tested", default=f"{CLUSTER_P:g}"
        ),
    )
    group.add_argument(
        "--tfce",
        action="store_true",
        help=help_text("with --permutations, add threshold-free cluster enhancement (slow)"),
    )


def _add_first_level(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--first-level",
        type=Path,
        metavar="PATH",
        help=help_text(
            "test first levels that another program estimated: a folder of FitLins, nilearn, FSL "
            "(.feat, .gfeat) or SPM with sub-<label> in its paths, or a table (TSV) with the "
            "columns subject, contrast, effect, and perhaps session, task, run, space, variance, "
            "dof, mask",
            default="the results in OUTPUT_DIR",
        ),
    )


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose what is written."""
    group = parser.add_argument_group("further output")
    group.add_argument(
        "--maps",
        type=map_name,
        nargs="+",
        metavar="MAP",
        help=help_text(
            "maps to write:",
            {
                ", ".join(DEFAULT_MAPS): "of contrasts, only those that are named; levels above "
                "need effect and variance.",
                ", ".join(RUN_MAPS): "of each run as a whole, beside those of its contrasts.",
            },
            "all of contrasts, but p only above the run",
        ),
    )
    _add_atlas(group)
    _add_explain(group)
    group.add_argument(
        "--single-trials",
        type=word_of(SINGLE_TRIALS),
        choices=SINGLE_TRIALS,
        metavar="METHOD",
        help=help_text(
            "estimate the response to each trial (one volume per trial):",
            {
                "lsa": "all trials in one model (least squares all).",
                "lss": "each trial in its own model (least squares separate).",
            },
        ),
    )
    group.add_argument(
        "--no-report",
        action="store_true",
        help=help_text("do not write reports, which --reports-only can do later"),
    )
    group.add_argument(
        "--reports-only",
        action="store_true",
        help=help_text(
            "fit nothing: write the reports of what is in OUTPUT_DIR, of participants or of the "
            "group. BIDS_DIR is not read"
        ),
    )
    group.add_argument(
        "--figures",
        action="store_true",
        help=help_text("write the figures of reports as files as well"),
    )


def _add_atlas(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--atlas",
        nargs="+",
        metavar="ATLAS",
        help=help_text(
            "also test the regions of an atlas, one table a result, and name peaks by it: an "
            "image of labels (dseg.nii.gz; label.gii of each hemisphere; dlabel.nii) with its "
            "TSV of index and name beside or after it, or a name to find in TemplateFlow's folder "
            "on disk, such as atlas-Schaefer2018_desc-100Parcels7Networks. Nothing is downloaded"
        ),
    )


def _add_explain(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--explain",
        action="append",
        metavar="'B ~ A'",
        help=help_text(
            "explain two regressors in the report of each run (or with --dry-run): what they "
            "share, and their estimates without one of them, with both, and with B "
            "orthogonalized with respect to A. Changes no result. Repeatable",
            default="the two conditions that correlate most, above .3",
        ),
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add the options of how a call works."""
    group = parser.add_argument_group("execution")
    _add_looking(group)
    add_nprocs(group)
    group.add_argument(
        "--omp-nthreads",
        type=positive,
        default=1,
        metavar="N",
        help=help_text("number of threads within a run", default=1),
    )
    _add_memory(group)
    _add_plugin(group)
    _add_work(group)
    group.add_argument(
        "--fresh",
        action="store_true",
        help=help_text(
            "fit everything again instead of resuming, and replace an analysis of the same name "
            "that had other options"
        ),
    )
    group.add_argument(
        "--stop-on-first-crash",
        action="store_true",
        help=help_text("stop when a run fails instead of finishing the other runs"),
    )
    group.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help=help_text("print choices and the reasons for them"),
    )
    group.add_argument(
        "--debug",
        action="store_true",
        help=help_text("print tracebacks and nipype's messages, and keep intermediate files"),
    )
    group.add_argument(
        "--notrack",
        action="store_true",
        help=help_text("accepted from scripts for other BIDS Apps. boldglm never sends anything"),
    )
    group.add_argument("--version", action="version", version=f"boldglm {__version__}")
    group.add_argument(
        "--bids-exec-spec",
        action="store_true",
        help=help_text("print the machine-readable description of this command"),
    )


def _add_looking(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--dry-run",
        action="store_true",
        help=help_text(
            "check the data and print what stands out, designs, collinearity and contrasts; do "
            "not fit. With --verbose every run is printed"
        ),
    )
    group.add_argument(
        "--plan-file",
        type=plan_file,
        metavar="FILE",
        help=help_text(
            "write the plan of a dry run as well: a page to read (.html), a table (.tsv, one row "
            "for each run and contrast), or everything as data (.json)"
        ),
    )
    group.add_argument(
        "--list-participants",
        action="store_true",
        help=help_text(
            "print the labels of participants with runs to fit, one in a line, for the jobs of a "
            "cluster; write nothing"
        ),
    )


def add_nprocs(group: argparse._ActionsContainer, *, default: int = 1) -> None:
    """Add the number of processes, which the demo has too."""
    group.add_argument(
        "--nprocs",
        "--n-cpus",
        "--nthreads",
        type=positive,
        default=default,
        metavar="N",
        help=help_text("number of runs to fit in parallel", default=default),
    )


def _add_memory(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--mem-gb",
        type=gigabytes,
        metavar="GB",
        help=help_text(
            "memory that all processes together may take. Fewer runs are fitted in parallel if "
            "necessary",
            default="no limit",
        ),
    )
    group.add_argument(
        "--mem-mb",
        type=positive,
        metavar="MB",
        help=help_text("the same in MB, as other BIDS Apps call it", default="no limit"),
    )


def _add_plugin(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--nipype-plugin",
        type=word_of(NIPYPE_PLUGINS),
        choices=NIPYPE_PLUGINS,
        metavar="PLUGIN",
        help=help_text(
            "how nipype runs the workflow:",
            {
                "Linear": "run after run.",
                "MultiProc": "runs in parallel on this machine (--nprocs).",
                "SLURM, SGE, PBS": "each run, and each result above it, as a job of this "
                "scheduler.",
                "SLURMGraph": "the same, with all jobs submitted at once.",
            },
            "Linear, or MultiProc with --nprocs",
        ),
    )
    group.add_argument(
        "--nipype-plugin-args",
        type=Path,
        metavar="FILE",
        help=help_text(
            "JSON or YAML file with arguments of the plugin. Example: "
            '{"sbatch_args": "--partition=short --time=60"}'
        ),
    )


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        help=help_text(
            "folder for intermediate files and cached fits", default="a folder in OUTPUT_DIR"
        ),
    )
    group.add_argument(
        "--no-keep-fits",
        action="store_true",
        help=help_text(
            "do not cache the fits of runs (a few hundred bytes per voxel). Cached fits make new "
            "contrasts fast, because runs are not refitted"
        ),
    )
