"""The options of models and of their fit."""

import argparse

from boldglm.cli.help_text import help_text
from boldglm.cli.values import (
    drift,
    dummy_scans,
    high_pass,
    model_name,
    smoothing,
    word_of,
)
from boldglm.vocabulary import (
    BAD_RUN_POLICIES,
    BAD_RUN_POLICY,
    DRIFT,
    FIR_SPAN,
    HIGH_PASS,
    HRF_MODEL,
    HRF_MODELS,
    MISSING_POLICIES,
    MISSING_POLICY,
    MISSING_TIMES,
    MISSING_TIMES_POLICY,
    NOISE_MODEL,
    NOISE_MODELS,
    SECONDS_PER_ORDER,
    SIGNAL_SCALING,
    SIGNAL_SCALINGS,
    TRIAL_TYPE,
)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that every model has."""
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


def add_default_model(parser: argparse.ArgumentParser) -> None:
    """Add the options of the default model."""
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


def add_censoring(parser: argparse.ArgumentParser) -> None:
    """Add the options that censor volumes."""
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


def add_fit(parser: argparse.ArgumentParser) -> None:
    """Add the options of the fit of runs."""
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
