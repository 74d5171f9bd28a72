"""What `boldglm` accepts. Imports argparse only, so that `--help` answers at once.

This is the one place where options are defined: `bids_app_spec.json`, the README and
the docs are compared with it by tests.
"""

import argparse
from pathlib import Path

from boldglm._version import __version__
from boldglm.cli.group_options import add_inference
from boldglm.cli.values import RUN_MAPS, dummy_scans, high_pass, map_name, positive, smoothing

BOLD_LEVELS = ("participant", "run")  # which read BOLD series
ABOVE_RUN_LEVELS = {
    "session": ("session",),
    "subject": ("subject",),
    "group": ("dataset",),
    "dataset": ("dataset",),
}
LEVELS = (*BOLD_LEVELS, *ABOVE_RUN_LEVELS)
HRF_MODELS = (
    "spm",
    "spm + derivative",
    "spm + derivative + dispersion",
    "glover",
    "glover + derivative",
    "glover + derivative + dispersion",
    "fir",
    "textbook",
)
NOISE_MODELS = ("auto", "ols", "ar1", "ar2", "ar3", "ar4", "ar5", "ar6", "arma11", "nilearn-ar1")
SIGNAL_SCALINGS = ("percent", "none")

DESCRIPTION = """\
Voxelwise general linear models of task fMRI, from a BIDS dataset to t maps.

  boldglm BIDS_DIR OUTPUT_DIR participant     fit every run, combine runs within subjects
  boldglm BIDS_DIR OUTPUT_DIR group           one-sample t test over subjects
  boldglm demo OUTPUT_DIR                     try it on a small generated dataset

Without a model file a default model is built from the data and saved in the output:
one regressor per trial_type, cosine drift, each condition against baseline, each pair
of conditions and an F test over all of them.
"""

EPILOG = """\
examples:
  boldglm ds001 out participant --dry-run
      show every design, its collinearity and its contrasts; fit nothing
  boldglm ds001 out participant -t faces --contrast 'faces - houses'
  boldglm ds001 out participant --orthogonalize 'houses ~ faces' --nprocs 4
  boldglm ds001 out participant --hrf-model 'spm + derivative' --high-pass 100
  boldglm ds001 out participant --contrast 'any = faces, houses, tools'
      commas make an F test

exit codes: 0 done; 1 some runs failed, the others are complete; 2 usage; 16 invalid
dataset; 17 unknown analysis level; 18 nothing selected; 65 bad events, images or model;
66 missing input; 73 cannot write.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `boldglm BIDS_DIR OUTPUT_DIR LEVEL`."""
    parser = argparse.ArgumentParser(
        prog="boldglm",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bids_dir", type=Path, metavar="BIDS_DIR", help="the BIDS dataset")
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help="where the derivatives and reports are written",
    )
    parser.add_argument(
        "analysis_level",
        metavar="LEVEL",
        help="participant: fit runs and combine them within subjects; group: test over "
        "subjects from what participant left in OUTPUT_DIR (run, session and subject mean "
        "participant, dataset means group)",
    )
    _add_selection(parser)
    _add_model(parser)
    _add_confounds(parser)
    _add_fit(parser)
    add_inference(parser)
    _add_outputs(parser)
    _add_running(parser)
    return parser


def build_demo_parser() -> argparse.ArgumentParser:
    """Return the parser of `boldglm demo OUTPUT_DIR`."""
    parser = argparse.ArgumentParser(
        prog="boldglm demo",
        description="Write a small BIDS dataset with known activation (2 subjects x 2 runs, two "
        "correlated conditions), run both levels on it, and say where the report is.",
    )
    parser.add_argument(
        "output_dir", type=Path, metavar="OUTPUT_DIR", help="a new or earlier demo folder"
    )
    parser.add_argument(
        "--data-only", action="store_true", help="write the dataset and stop before fitting"
    )
    parser.add_argument(
        "--nprocs", type=positive, default=1, metavar="N", help="runs fitted at the same time"
    )
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to analyse")
    group.add_argument(
        "--participant-label",
        "--participant_label",
        nargs="+",
        metavar="LABEL",
        help="only these participants, with or without sub- (default: all)",
    )
    group.add_argument(
        "--session-label",
        "--session_label",
        nargs="+",
        metavar="LABEL",
        help="only these sessions, with or without ses-",
    )
    group.add_argument(
        "-t", "--task", nargs="+", metavar="TASK", help="only these tasks, with or without task-"
    )
    group.add_argument(
        "--run-label",
        "--run_label",
        nargs="+",
        metavar="LABEL",
        help="only these runs, with or without run-",
    )
    _add_places(group)


def _add_places(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-d",
        "--derivatives",
        nargs="+",
        metavar="PATH",
        help="preprocessed data of fMRIPrep, each as PATH or NAME=PATH, or none to fit the raw "
        "series (default: fMRIPrep's folder in BIDS_DIR/derivatives, if there is one)",
    )
    group.add_argument(
        "--space",
        metavar="SPACE",
        help="space of the preprocessed series, such as MNI152NLin2009cAsym, "
        "MNI152NLin2009cAsym:res-2, or func for the grid of the run (needed where there are "
        "several)",
    )
    group.add_argument(
        "--bids-filter-file",
        "--bids_filter_file",
        type=Path,
        metavar="FILE",
        help='JSON of pybids filters for the query "bold", as in fMRIPrep: '
        '{"bold": {"acquisition": "mb4", "session": null}}; null means the entity is absent',
    )
    group.add_argument(
        "--bids-database-dir",
        "--bids_database_dir",
        type=Path,
        metavar="DIR",
        help="keep the index of the dataset in this folder for later calls (made anew when the "
        "dataset has changed)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the model")
    group.add_argument(
        "-m",
        "--model",
        default="default",
        metavar="FILE",
        help="a BIDS Stats Model (*_smdl.json); 'default' builds one from the data (default: "
        "default). The options below shape the default model and cannot be combined with a file; "
        "those of the fit override what a file says",
    )
    group.add_argument(
        "--conditions",
        nargs="+",
        metavar="NAME",
        help="trial types that become regressors (default: every trial_type of the events)",
    )
    group.add_argument(
        "--hrf-model",
        choices=HRF_MODELS,
        metavar="MODEL",
        help="hemodynamic response: one of " + ", ".join(HRF_MODELS) + " (default: spm)",
    )
    group.add_argument(
        "--fir-delays",
        nargs="+",
        type=float,
        metavar="SECONDS",
        help="delays of --hrf-model fir, each bin lasting until the next (default: every "
        "repetition time before 20 s)",
    )
    group.add_argument(
        "--modulate",
        action="append",
        metavar="'COLUMN @ CONDITION'",
        help="scale the response to a condition by a column of the events, centered in each run: "
        "'rt @ go', 'rt^2 + accuracy @ go', or 'rt' for all conditions (repeatable)",
    )
    _add_tests(group)


def _add_tests(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--orthogonalize",
        action="append",
        metavar="'B ~ A'",
        help="take out of B what A explains of it ('B ~ A1 + A2' for several; repeatable). The "
        "estimate of A then includes what the two share; that of B does not change",
    )
    group.add_argument(
        "--contrast",
        action="append",
        metavar="EXPRESSION",
        help="'faces - houses', 'name = (a + b)/2 - c', or with commas an F test "
        "(repeatable; replaces the default contrasts)",
    )
    group.add_argument(
        "--high-pass",
        type=high_pass,
        metavar="SECONDS",
        help="period of the cosine drift cut-off, or none (default: 128, or the cosines of the "
        "confounds in its place)",
    )


def _add_confounds(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("confounds and volumes to leave out")
    group.add_argument(
        "--confounds",
        nargs="+",
        metavar="NAME",
        help="confounds of the table beside preprocessed data that join the design: strategies "
        "(motion6, motion12, motion24, wm_csf, wm_csf8, global_signal, global_signal4, compcor, "
        "compcor_separated and compcor_temporal, each perhaps with :n for the first n or :50%% "
        "for those that explain half, high_pass, scrub, non_steady_state, aroma, "
        "aroma_orthogonal), columns, patterns such as 'cosine*', or none (default: "
        "motion6 and high_pass)",
    )
    group.add_argument(
        "--fd-threshold",
        type=float,
        metavar="MM",
        help="censor volumes whose framewise displacement is above this many millimeters",
    )
    group.add_argument(
        "--dummy-scans",
        type=dummy_scans,
        metavar="N",
        help="censor the first N volumes; auto: those that fMRIPrep found not to be in steady "
        "state (default: auto)",
    )


def _add_fit(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the fit")
    group.add_argument(
        "--noise-model",
        choices=NOISE_MODELS,
        help="auto: autoregression, its coefficients shared by voxels as far as the run "
        "justifies it, with calibrated p values; ols: white noise; ar1 to ar6: exact voxelwise "
        "autoregression of that order, bias-corrected; arma11: autoregressive plus white; "
        "nilearn-ar1: that of nilearn, for comparison only (default: auto)",
    )
    group.add_argument(
        "--smoothing",
        type=smoothing,
        metavar="FWHM[:LEVEL[:TYPE]]",
        help="smooth by a Gaussian of this full width at half maximum in mm, among the voxels of "
        "the mask; LEVEL is run (each run), or a level of the model, such as dataset, to smooth "
        "the effects that enter it; TYPE is iso, or for runs isoblurto, to smooth until residuals "
        "are as smooth as white noise smoothed by that width (default: no smoothing)",
    )
    group.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="brain mask on the grid of the BOLD runs (default: computed from each run)",
    )
    group.add_argument(
        "--mesh",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="surfaces (.surf.gii, or FreeSurfer's such as lh.white) of series on the cortex: to "
        "smooth along, and to draw on (default: what is found in the derivatives)",
    )
    group.add_argument(
        "--signal-scaling",
        choices=SIGNAL_SCALINGS,
        help="percent of each voxel's mean, or none: the units of the file (default: percent)",
    )
    group.add_argument(
        "--missing-conditions",
        "--missing_conditions",
        choices=("drop", "error", "zero"),
        default="drop",
        help="where a run has no event of a condition: drop its regressor and the contrasts that "
        "need it, in that run; error, stop before any fit; zero, drop the regressor, and share "
        "its weight in each contrast among the conditions that are there (default: drop)",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "--maps",
        type=map_name,
        nargs="+",
        metavar="MAP",
        help="maps of each run as a whole, beside those of its contrasts (effect, variance, t or "
        "F, z, p): any of " + ", ".join(RUN_MAPS),
    )

    group.add_argument(
        "--single-trials",
        "--single_trials",
        choices=("lsa", "lss"),
        help="also estimate the response to every trial, a volume each: lsa, all trials in one "
        "model; lss, each in a model of its own beside the other trials of each condition",
    )


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="where nipype keeps its intermediate files (default: a folder inside OUTPUT_DIR "
        "that is removed when all went well)",
    )
    group.add_argument(
        "--no-keep-fits",
        "--no_keep_fits",
        action="store_true",
        help="keep no fits of runs in the work folder; by default they are kept, some hundred "
        "bytes for each voxel of a run, so that changed contrasts need no new fit",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="check the data and build every design, show rank, collinearity and contrasts, "
        "and fit nothing",
    )
    _add_work(group)
    group.add_argument(
        "--nprocs", type=positive, default=1, metavar="N", help="runs fitted at the same time"
    )
    group.add_argument(
        "--omp-nthreads",
        type=positive,
        default=1,
        metavar="N",
        help="threads within a run: blocks of voxels, decompression",
    )
    group.add_argument(
        "--fresh", action="store_true", help="fit everything again instead of resuming"
    )
    group.add_argument(
        "--stop-on-first-crash",
        action="store_true",
        help="stop when a run fails instead of finishing the others",
    )
    group.add_argument("-v", "--verbose", action="store_true", help="show what is decided and why")
    group.add_argument(
        "--debug",
        action="store_true",
        help="show tracebacks and nipype's messages, and keep the work",
    )
    group.add_argument("--version", action="version", version=f"boldglm {__version__}")
    group.add_argument(
        "--bids-exec-spec",
        action="store_true",
        help="print the machine-readable description of this command (bids_app_spec.json)",
    )
