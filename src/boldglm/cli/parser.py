"""The options of `boldglm`. Imports argparse only, so that `--help` answers at once.

Allowed words and defaults come from `boldglm.vocabulary`. `bids_app_spec.json`, the README and
the docs are compared with this parser by tests.
"""

import argparse
from pathlib import Path

from boldglm._version import __version__
from boldglm.cli.values import dummy_scans, high_pass, map_name, positive, smoothing
from boldglm.vocabulary import (
    CLUSTER_P,
    FIR_SPAN,
    HIGH_PASS,
    HRF_MODEL,
    HRF_MODELS,
    MISSING_POLICIES,
    MISSING_POLICY,
    MOST_PAIRED,
    NOISE_MODEL,
    NOISE_MODELS,
    RUN_MAPS,
    SIGNAL_SCALING,
    SIGNAL_SCALINGS,
    SINGLE_TRIALS,
)

DESCRIPTION = f"""\
Fit voxelwise general linear models to task fMRI, from a BIDS dataset to t maps.

  boldglm BIDS_DIR OUTPUT_DIR participant     fit every run, then combine runs within participants
  boldglm BIDS_DIR OUTPUT_DIR group           test over participants
  boldglm demo OUTPUT_DIR                     try it on a small generated dataset

Without a model file, boldglm builds a default model and saves it in OUTPUT_DIR/models: one
regressor per trial_type, a cosine drift, a contrast of each condition against baseline, a
contrast of each pair (up to {MOST_PAIRED} conditions), and an F test over all conditions.
"""

EPILOG = """\
examples:
  boldglm ds001 out participant --dry-run
      check the data; show designs, collinearity and contrasts; fit nothing
  boldglm ds001 out participant -t faces --contrast 'faces - houses'
  boldglm ds001 out participant --orthogonalize 'houses ~ faces' --nprocs 4
  boldglm ds001 out participant --space MNI152NLin2009cAsym --confounds motion24 compcor:5
  boldglm ds001 out participant --contrast 'any = faces, houses, tools'
      (commas make an F test)
  boldglm ds001 out group --permutations 5000

exit codes:
  0 done; 1 some runs failed, the others are complete; 2 wrong options; 16 invalid dataset;
  17 unknown analysis level; 18 nothing selected; 65 events, images or model cannot be analyzed;
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
    parser.add_argument(
        "bids_dir", type=Path, metavar="BIDS_DIR", help="the BIDS dataset; never written to"
    )
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help="folder for the derivatives and reports",
    )
    parser.add_argument(
        "analysis_level",
        metavar="LEVEL",
        help="participant: fit runs and combine them within participants. group: test over "
        "participants, from what participant wrote to OUTPUT_DIR. Single levels of the model are "
        "run, session, subject and dataset",
    )
    _add_selection(parser)
    _add_model(parser)
    _add_confounds(parser)
    _add_fit(parser)
    _add_inference(parser)
    _add_outputs(parser)
    _add_running(parser)
    return parser


def build_demo_parser() -> argparse.ArgumentParser:
    """Return the parser of `boldglm demo OUTPUT_DIR`."""
    parser = argparse.ArgumentParser(
        prog="boldglm demo",
        description="Write a small BIDS dataset with known activation (2 participants x 2 runs, "
        "two correlated conditions), run both levels on it, and print where the report is.",
    )
    parser.add_argument(
        "output_dir", type=Path, metavar="OUTPUT_DIR", help="a new folder, or an earlier demo's"
    )
    parser.add_argument(
        "--data-only", action="store_true", help="write the dataset, but do not fit it"
    )
    parser.add_argument(
        "--nprocs",
        type=positive,
        default=1,
        metavar="N",
        help="number of runs fitted at a time (default: 1)",
    )
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which data")
    group.add_argument(
        "--participant-label",
        "--participant_label",
        nargs="+",
        metavar="LABEL",
        help="analyze only these participants, with or without sub- (default: all)",
    )
    group.add_argument(
        "--session-label",
        "--session_label",
        nargs="+",
        metavar="LABEL",
        help="analyze only these sessions, with or without ses- (default: all)",
    )
    group.add_argument(
        "-t",
        "--task",
        nargs="+",
        metavar="TASK",
        help="analyze only these tasks, with or without task- (default: all)",
    )
    group.add_argument(
        "--run-label",
        "--run_label",
        nargs="+",
        metavar="LABEL",
        help="analyze only these runs, with or without run- (default: all)",
    )
    _add_inputs(group)


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-d",
        "--derivatives",
        nargs="+",
        metavar="PATH",
        help="folders of preprocessed data (fMRIPrep or other BIDS derivatives), each as PATH or "
        "NAME=PATH; none fits the raw data (default: fMRIPrep's folder in BIDS_DIR/derivatives, "
        "if there is one)",
    )
    group.add_argument(
        "--space",
        metavar="SPACE",
        help="space of the preprocessed data, such as MNI152NLin2009cAsym or "
        "MNI152NLin2009cAsym:res-2; func is the original grid of each run. Needed where there "
        "are several spaces",
    )
    group.add_argument(
        "--bids-filter-file",
        "--bids_filter_file",
        type=Path,
        metavar="FILE",
        help='JSON file of pybids filters for the query "bold", as in fMRIPrep. Example: '
        '{"bold": {"acquisition": "mb4", "session": null}}, where null means no such entity',
    )
    group.add_argument(
        "--bids-database-dir",
        "--bids_database_dir",
        type=Path,
        metavar="DIR",
        help="folder that caches the index of the dataset; the index is renewed when the dataset "
        "changes (default: no cache)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the model")
    group.add_argument(
        "-m",
        "--model",
        default="default",
        metavar="FILE",
        help="BIDS Stats Model file (*_smdl.json). The options of this group shape the default "
        "model and cannot be combined with a file; those of the fit override what the file says "
        "(default: default)",
    )
    group.add_argument(
        "--conditions",
        nargs="+",
        metavar="NAME",
        help="trial types that become regressors (default: every trial_type in the events)",
    )
    group.add_argument(
        "--hrf-model",
        choices=HRF_MODELS,
        metavar="MODEL",
        help=f"hemodynamic response function: {', '.join(HRF_MODELS)} (default: {HRF_MODEL})",
    )
    group.add_argument(
        "--fir-delays",
        nargs="+",
        type=float,
        metavar="SECONDS",
        help="start of each bin of --hrf-model fir, in seconds after the event; a bin lasts until "
        f"the next one (default: every repetition time before {FIR_SPAN:g} s)",
    )
    group.add_argument(
        "--modulate",
        action="append",
        metavar="'COLUMN @ CONDITION'",
        help="add a parametric modulator: the response to a condition scales with a column of the "
        "events, centered in each run. Examples: 'rt @ go'; 'rt^2 + accuracy @ go'; 'rt' for all "
        "conditions. Repeatable",
    )
    _add_contrasts(group)


def _add_contrasts(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--orthogonalize",
        action="append",
        metavar="'B ~ A'",
        help="orthogonalize regressor B with respect to A ('B ~ A1 + A2' for several). The "
        "estimate of A then includes the variance that both share; the estimate of B does not "
        "change. Repeatable",
    )
    group.add_argument(
        "--contrast",
        action="append",
        metavar="EXPRESSION",
        help="contrast to test, in place of the default ones: 'faces - houses', "
        "'name = (a + b)/2 - c', or with commas an F test. Repeatable",
    )
    group.add_argument(
        "--high-pass",
        type=high_pass,
        metavar="SECONDS",
        help="cut-off period of the cosine drift in seconds, or none (default: "
        f"{HIGH_PASS:g}; with fMRIPrep's cosines among the confounds, no drift of our own)",
    )


def _add_confounds(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("confounds and censoring")
    group.add_argument(
        "--confounds",
        nargs="+",
        metavar="NAME",
        help="columns of the confounds table that enter the design, by strategy (motion6, "
        "motion12, motion24, wm_csf, wm_csf8, global_signal, global_signal4, compcor, "
        "compcor_separated, compcor_temporal, high_pass, scrub, non_steady_state, aroma, "
        "aroma_orthogonal), by name, or by pattern ('cosine*'); none for no confounds. "
        "compcor:5 takes the first 5 components, compcor:50%% those that explain half of the "
        "variance (default: motion6 high_pass)",
    )
    group.add_argument(
        "--fd-threshold",
        type=float,
        metavar="MM",
        help="censor volumes whose framewise displacement exceeds this, in mm (default: none)",
    )
    group.add_argument(
        "--dummy-scans",
        type=dummy_scans,
        metavar="N",
        help="censor the first N volumes; auto censors those that fMRIPrep marked as not in a "
        "steady state (default: auto)",
    )


def _add_fit(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the fit")
    group.add_argument(
        "--noise-model",
        choices=NOISE_MODELS,
        metavar="MODEL",
        help="auto: autoregression with coefficients pooled over voxels and calibrated p values. "
        "ols: white noise. ar1 to ar6: autoregression of that order in each voxel, corrected "
        "for bias. arma11: autoregression plus white noise. nilearn-ar1: as in "
        f"nilearn, for comparison only (default: {NOISE_MODEL})",
    )
    group.add_argument(
        "--smoothing",
        type=smoothing,
        metavar="FWHM[:LEVEL[:TYPE]]",
        help="smooth with a Gaussian of this FWHM in mm, within the mask. LEVEL is run (default), "
        "or session, subject or dataset to smooth the effects that enter that level. TYPE is iso, "
        "or for runs isoblurto: smooth until the residuals have this FWHM. Examples: 6; "
        "8:run:isoblurto (default: no smoothing)",
    )
    group.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="brain mask on the grid of the BOLD runs (default: that of the derivatives, else "
        "computed from each run)",
    )
    group.add_argument(
        "--mesh",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="cortical surfaces (.surf.gii, or FreeSurfer's, such as lh.white) to smooth along "
        "and to draw on (default: those in the derivatives)",
    )
    group.add_argument(
        "--signal-scaling",
        choices=SIGNAL_SCALINGS,
        help="unit of the effects: percent of each voxel's mean, or none for the file's units "
        f"(default: {SIGNAL_SCALING})",
    )
    group.add_argument(
        "--missing-conditions",
        "--missing_conditions",
        choices=MISSING_POLICIES,
        default=MISSING_POLICY,
        help="what to do where a run has no events of a condition. drop: leave out its regressor "
        "and the contrasts that need it, in that run. error: stop before any fit. zero: leave out "
        "its regressor and share its weight among the other conditions of a contrast "
        f"(default: {MISSING_POLICY})",
    )


def _add_inference(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("group inference")
    group.add_argument(
        "--permutations",
        type=positive,
        metavar="N",
        help="control the family-wise error of voxels, cluster extent and cluster mass by N "
        "permutations: sign flips, or the method of Freedman and Lane for covariates and groups "
        "(default: none; q values are always written)",
    )
    group.add_argument(
        "--cluster-p",
        "--cluster_p",
        type=float,
        metavar="P",
        help="one-sided p that forms clusters, in tables and permutations "
        f"(default: {CLUSTER_P:g})",
    )
    group.add_argument(
        "--tfce",
        action="store_true",
        help="with --permutations, also permute threshold-free cluster enhancement; slow",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("outputs")
    group.add_argument(
        "--maps",
        type=map_name,
        nargs="+",
        metavar="MAP",
        help=f"also write maps of each run as a whole: {', '.join(RUN_MAPS)}. Maps of contrasts "
        "(effect, variance, t or F, z, p) are always written",
    )
    group.add_argument(
        "--single-trials",
        "--single_trials",
        choices=SINGLE_TRIALS,
        help="also estimate the response to every trial, one volume each. lsa: all trials in one "
        "model (least squares all). lss: each trial in its own model (least squares separate)",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="check the data and print every design, its collinearity and its contrasts; fit "
        "nothing",
    )
    _add_work(group)
    _add_parallel(group)
    group.add_argument(
        "--fresh", action="store_true", help="fit everything again instead of resuming"
    )
    group.add_argument(
        "--stop-on-first-crash",
        action="store_true",
        help="stop when a run fails (default: finish the other runs)",
    )
    group.add_argument("-v", "--verbose", action="store_true", help="print decisions and reasons")
    group.add_argument(
        "--debug",
        action="store_true",
        help="print tracebacks and nipype's messages, and keep the work folder",
    )
    group.add_argument("--version", action="version", version=f"boldglm {__version__}")
    group.add_argument(
        "--bids-exec-spec",
        action="store_true",
        help="print the machine-readable description of this command (bids_app_spec.json)",
    )


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="folder for intermediate files and cached fits (default: a folder in OUTPUT_DIR; its "
        "intermediate files are removed at the end)",
    )
    group.add_argument(
        "--no-keep-fits",
        "--no_keep_fits",
        action="store_true",
        help="do not cache fits. By default the fit of each run is cached in the work folder, "
        "some hundred bytes a voxel, so that changing contrasts does not refit",
    )


def _add_parallel(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--nprocs",
        type=positive,
        default=1,
        metavar="N",
        help="number of runs fitted at a time (default: 1)",
    )
    group.add_argument(
        "--omp-nthreads",
        type=positive,
        default=1,
        metavar="N",
        help="number of threads within a run (default: 1)",
    )
