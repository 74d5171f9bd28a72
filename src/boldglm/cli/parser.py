"""The options of `boldglm`. Imports little, so that `--help` answers at once.

Allowed words and defaults come from `boldglm.vocabulary`. `bids_app_spec.json`, the README and
the docs are compared with this parser by tests.
"""

import argparse
from pathlib import Path

from boldglm._version import __version__
from boldglm.cli.help_text import Parser, help_text
from boldglm.cli.values import (
    drift,
    dummy_scans,
    fraction,
    gigabytes,
    high_pass,
    map_name,
    model_name,
    positive,
    repetition_time,
    smoothing,
    word_of,
)
from boldglm.vocabulary import (
    BAD_RUN_POLICIES,
    BAD_RUN_POLICY,
    CLUSTER_P,
    DEFAULT_MAPS,
    DRIFT,
    FIR_SPAN,
    HIGH_PASS,
    HRF_MODEL,
    HRF_MODELS,
    MISSING_PARTICIPANTS,
    MISSING_POLICIES,
    MISSING_POLICY,
    MISSING_TIMES,
    MISSING_TIMES_POLICY,
    MOST_PAIRED,
    NIPYPE_PLUGINS,
    NOISE_MODEL,
    NOISE_MODELS,
    RUN_MAPS,
    SECONDS_PER_ORDER,
    SIDE,
    SIDES,
    SIGNAL_SCALING,
    SIGNAL_SCALINGS,
    SINGLE_TRIALS,
    SLICE_TIME_REFERENCE,
    SLICE_TIMES,
    TRIAL_TYPE,
)

USAGE = """\
boldglm BIDS_DIR OUTPUT_DIR LEVEL [options]
       boldglm demo OUTPUT_DIR [options]"""

DESCRIPTION = f"""\
Fit voxelwise general linear models to task fMRI, from a BIDS dataset to t maps.

  boldglm BIDS_DIR OUTPUT_DIR participant  fit and combine runs of participants
  boldglm BIDS_DIR OUTPUT_DIR group        then test over participants
  boldglm demo OUTPUT_DIR                  try it on a small generated dataset

Without a model file, boldglm builds a default model and saves it in
OUTPUT_DIR/models. It has one regressor per trial_type and a cosine drift.
It tests each condition against baseline, each pair (up to {MOST_PAIRED} conditions), and
all conditions together (F).
"""

EPILOG = """\
examples:
  Check data and design first; nothing is fitted:
    boldglm ds001 out participant --dry-run
  Test one contrast; fit four runs in parallel:
    boldglm ds001 out participant --contrast 'faces - houses' --nprocs 4
  Choose the space and the confounds of fMRIPrep's data:
    boldglm ds001 out participant --space MNI152NLin2009cAsym \\
        --confounds motion24 compcor:5
  Test the group, with family-wise error control:
    boldglm ds001 out group --permutations 5000

exit codes:
  0 done; 1 some runs failed, the others are complete; 2 wrong options;
  16 invalid dataset; 17 unknown analysis level; 18 nothing selected;
  65 events, images or model cannot be analyzed; 66 missing input;
  73 cannot write.
"""


def build_parser() -> Parser:
    """Return the parser of `boldglm BIDS_DIR OUTPUT_DIR LEVEL`."""
    parser = Parser(
        prog="boldglm",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "bids_dir", type=Path, metavar="BIDS_DIR", help=help_text("the raw BIDS dataset")
    )
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help=help_text("folder for results and reports"),
    )
    parser.add_argument(
        "analysis_level",
        metavar="LEVEL",
        help=help_text(
            "what to fit:",
            {
                "participant": "all runs, then the combination of runs within participants.",
                "group": "the test over participants, from results in OUTPUT_DIR.",
                "run, session, subject, dataset": "one level of the model only.",
            },
        ),
    )
    _add_selection(parser)
    _add_inputs(parser)
    _add_timing(parser)
    _add_model(parser)
    _add_default_model(parser)
    _add_censoring(parser)
    _add_fit(parser)
    _add_inference(parser)
    _add_outputs(parser)
    _add_running(parser)
    return parser


def build_demo_parser() -> Parser:
    """Return the parser of `boldglm demo OUTPUT_DIR`."""
    parser = Parser(
        prog="boldglm demo",
        usage="boldglm demo OUTPUT_DIR [options]",
        description="Generate a small BIDS dataset with known activation (2 participants, 2 runs\n"
        "each, 2 correlated conditions), analyze it at both levels, and compare the\n"
        "results with the truth. Takes about 10 seconds.",
        epilog="example:\n  boldglm demo boldglm-demo",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help=help_text("a new folder, or the folder of an earlier demo"),
    )
    parser.add_argument(
        "--data-only",
        action="store_true",
        help=help_text("generate the dataset but do not analyze it"),
    )
    _add_nprocs(parser)
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
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


def _add_inputs(parser: argparse.ArgumentParser) -> None:
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


def _add_timing(parser: argparse.ArgumentParser) -> None:
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


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "-m",
        "--model",
        default="default",
        metavar="FILE",
        help=help_text(
            "BIDS Stats Model file (*_smdl.json). With the level group: a file whose levels above "
            "the run are to be fitted, on runs that were fitted alike",
            default="the default model; for group, the models of the results",
        ),
    )
    _add_model_name(group)
    group.add_argument(
        "--missing-conditions",
        type=word_of(MISSING_POLICIES),
        choices=MISSING_POLICIES,
        metavar="POLICY",
        help=help_text(
            "what to do if a run has no events of a condition:",
            {
                "drop": "omit its regressor, and the contrasts that need it, in that run.",
                "zero": "omit its regressor, and share its weight among the conditions on the "
                "same side of each contrast.",
                "error": "stop before anything is fitted.",
            },
            MISSING_POLICY,
        ),
    )
    _add_missing_times(group)
    group.add_argument(
        "--on-bad-run",
        type=word_of(BAD_RUN_POLICIES),
        choices=BAD_RUN_POLICIES,
        metavar="POLICY",
        help=help_text(
            "what to do with a run that cannot be analyzed, such as a damaged or missing file, or "
            "unusable events:",
            {
                "exclude": "analyze the other runs, and name it with the reason.",
                "stop": "stop before anything is fitted.",
            },
            BAD_RUN_POLICY,
        ),
    )


def _add_model_name(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model-name",
        type=model_name,
        metavar="NAME",
        help=help_text(
            "name of the model, to keep several analyses in one OUTPUT_DIR: it precedes the names "
            "of the nodes, which results are filed under. With the level group and no file: fit "
            "only the analysis of this name",
            default="default, or the Name in the file",
        ),
    )


def _add_missing_times(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--missing-times",
        type=word_of(MISSING_TIMES),
        choices=MISSING_TIMES,
        metavar="POLICY",
        help=help_text(
            "what to do if an event has a trial type, but onset or duration is n/a:",
            {
                "row": "exclude the event, and name its line.",
                "run": "exclude the run.",
                "error": "stop before anything is fitted.",
            },
            MISSING_TIMES_POLICY,
        ),
    )


def _add_default_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("default model (not with a model file)")
    group.add_argument(
        "--trial-type-column",
        metavar="COLUMN",
        help=help_text("column of the events that names conditions", default=TRIAL_TYPE),
    )
    group.add_argument(
        "--conditions",
        nargs="+",
        metavar="NAME",
        help=help_text("trial types to model", default="every trial_type in the events"),
    )
    group.add_argument(
        "--hrf-model",
        type=word_of(HRF_MODELS),
        choices=HRF_MODELS,
        metavar="MODEL",
        help=help_text(
            "hemodynamic response function: " + ", ".join(map(_quoted, HRF_MODELS)),
            default=HRF_MODEL,
        ),
    )
    group.add_argument(
        "--fir-delays",
        nargs="+",
        type=float,
        metavar="SECONDS",
        help=help_text(
            "start of each bin of --hrf-model fir, in seconds after the event",
            default=f"every repetition time before {FIR_SPAN:g} s",
        ),
    )
    _add_regressors(group)
    _add_contrasts(group)
    _add_drift(group)
    _add_confounds(group)


def _add_regressors(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--modulate",
        action="append",
        metavar="'COLUMN @ CONDITION'",
        help=help_text(
            "add a parametric modulator: a numeric column of the events, centered in each run. "
            "Repeatable. Examples: 'rt @ go', 'rt^2 + accuracy @ go', or 'rt' for all conditions"
        ),
    )
    group.add_argument(
        "--orthogonalize",
        action="append",
        metavar="'B ~ A'",
        help=help_text(
            "orthogonalize regressor B with respect to A. The estimate of A then includes the "
            "variance that A and B share; the estimate of B does not change. Repeatable. With "
            "several: 'B ~ A1 + A2'"
        ),
    )


def _add_contrasts(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--contrast",
        action="append",
        metavar="EXPRESSION",
        help=help_text(
            "test this contrast instead of the default ones. Repeatable. Commas make an F test. "
            "Examples: 'faces - houses', 'mean = (faces + houses)/2', 'any = faces, houses'"
        ),
    )
    group.add_argument(
        "--high-pass",
        type=high_pass,
        metavar="SECONDS",
        help=help_text(
            "cut-off period of the cosine drift, or none",
            default=f"{HIGH_PASS:g}; none if fMRIPrep's cosines are among the confounds",
        ),
    )


def _add_drift(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--drift",
        type=drift,
        metavar="MODEL",
        help=help_text(
            "regressors of slow drift:",
            {
                "cosine": "all periods above --high-pass.",
                "polynomial:ORDER": "orthogonal polynomials of time, up to this order. Without "
                f"ORDER, 1 and 1 more for each {SECONDS_PER_ORDER:g} s of the run.",
                "none": "no drift regressors: slow drift then is noise.",
            },
            f"{DRIFT}; fMRIPrep's cosines if they are among the confounds",
        ),
    )


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def _add_confounds(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--confounds",
        nargs="+",
        metavar="NAME",
        help=help_text(
            "confounds to include, as strategies, columns or patterns ('trans_*'):",
            {
                "motion6, motion12, motion24": "motion parameters; with derivatives; with "
                "squares of both.",
                "wm_csf, wm_csf8": "mean white matter and CSF; with derivatives and squares.",
                "global_signal, global_signal4": "mean of the brain; with derivative and squares.",
                "compcor, compcor_separated, compcor_temporal": "CompCor components. compcor:5 "
                "takes the first 5, compcor:50%% those that explain half of the variance.",
                "high_pass": "cosines.",
                "scrub": "volumes that fMRIPrep marked as motion outliers.",
                "non_steady_state": "volumes before the steady state.",
                "aroma, aroma_orthogonal": "ICA-AROMA noise components.",
                "none": "no confounds.",
            },
            "motion6 high_pass",
        ),
    )


def _add_censoring(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("censoring (overrides a model file)")
    group.add_argument(
        "--fd-threshold",
        type=float,
        metavar="MM",
        help=help_text(
            "censor volumes with a framewise displacement above this value in mm",
            default="none",
        ),
    )
    group.add_argument(
        "--dummy-scans",
        type=dummy_scans,
        metavar="N",
        help=help_text(
            "censor the first N volumes of each run; auto censors those that fMRIPrep marked as "
            "not in steady state",
            default="auto",
        ),
    )


def _add_fit(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("fit (overrides a model file)")
    group.add_argument(
        "--noise-model",
        type=word_of(NOISE_MODELS),
        choices=NOISE_MODELS,
        metavar="MODEL",
        help=help_text(
            "model of temporal autocorrelation:",
            {
                "auto": "autoregression, with coefficients pooled over voxels and corrected p "
                "values.",
                "ar1, ..., ar6": "autoregression of this order, with separate coefficients in "
                "each voxel.",
                "arma11": "autoregression of order 1 plus white noise.",
                "ols": "white noise (ordinary least squares).",
                "nilearn-ar1": "as in nilearn; for comparison only.",
            },
            NOISE_MODEL,
        ),
    )
    group.add_argument(
        "--smoothing",
        type=smoothing,
        metavar="FWHM[:LEVEL[:TYPE]]",
        help=help_text(
            "smooth within the mask, or along the surface; FWHM in mm:",
            {
                "5": "smooth each run by 5 mm.",
                "5:run:isoblurto": "smooth each run until its residuals are 5 mm smooth.",
                "5:dataset": "smooth the effects that enter this level (or session, subject).",
            },
            "no smoothing",
        ),
    )
    group.add_argument(
        "--signal-scaling",
        type=word_of(SIGNAL_SCALINGS),
        choices=SIGNAL_SCALINGS,
        metavar="SCALING",
        help=help_text(
            "unit of the effects:",
            {"percent": "percent of each voxel's mean.", "none": "the unit of the file."},
            SIGNAL_SCALING,
        ),
    )


def _add_inference(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("group inference")
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


def _add_outputs(parser: argparse.ArgumentParser) -> None:
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


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("execution")
    _add_looking(group)
    _add_nprocs(group)
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
        help=help_text("check the data and print designs, collinearity and contrasts; do not fit"),
    )
    group.add_argument(
        "--list-participants",
        action="store_true",
        help=help_text(
            "print the labels of participants with runs to fit, one in a line, for the jobs of a "
            "cluster; write nothing"
        ),
    )


def _add_nprocs(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--nprocs",
        "--n-cpus",
        "--nthreads",
        type=positive,
        default=1,
        metavar="N",
        help=help_text("number of runs to fit in parallel", default=1),
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
