"""What the options of a call mean for its models."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boldglm.analysis.methods_text import smoothing_words
from boldglm.analysis.model.confound_strategies import ConfoundRequest
from boldglm.analysis.model.default_model import DefaultModelOptions
from boldglm.analysis.model.events_needed import events_needed
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.analysis_options import analysis_options
from boldglm.analysis.plan.dataset_model import ModelChoice
from boldglm.analysis.plan.models_of_results import HigherModelChoice, refuse_other_options
from boldglm.analysis.plan.timing import TimingOptions
from boldglm.cli.option_roles import ANALYSIS, flag_of, given_options
from boldglm.cli.places import check_places
from boldglm.cli.values import Smoothing
from boldglm.errors import UsageError
from boldglm.io.bids.derivative_datasets import Derivative, find_derivatives
from boldglm.io.bids.exclude_option import read_exclude_option
from boldglm.io.bids.query import QueryResult, find_runs
from boldglm.io.bids.selection import Selection
from boldglm.vocabulary import (
    BAD_RUN_POLICY,
    DRIFT,
    DUMMY_SCANS,
    FD_THRESHOLD,
    HIGH_PASS,
    HRF_MODEL,
    MISSING_POLICY,
    MISSING_TIMES_POLICY,
    NOISE_MODEL,
    SIGNAL_SCALING,
    SLICE_TIMES,
    TRIAL_TYPE,
)

# options of the fit that a model file has a place for: they become part of the model
OF_FILE = ("noise_model", "signal_scaling", "fd_threshold", "dummy_scans")


def selection_of(options: argparse.Namespace) -> Selection:
    """Return the participants, sessions, tasks and runs that the options choose."""
    return Selection.of(
        options.participant_label,
        options.session_label,
        options.task,
        options.run_label,
        options.bids_filter_file,
    )


def selected_runs(options: argparse.Namespace) -> QueryResult:
    """Find the runs that options select; refuse to write to the datasets that they are in."""
    query = find_runs(
        options.bids_dir,
        selection_of(options),
        options.derivatives,
        options.space,
        options.bids_database_dir,
        events_needed(None if options.model == "default" else Path(options.model)),
        options.on_bad_run or BAD_RUN_POLICY,
        read_exclude_option(options.exclude or ()),
        validate=not options.skip_bids_validation,
    )
    derivatives = [dataset.path for dataset in query.derivatives]
    check_places(options.output_dir, options.bids_dir, derivatives)
    return query


def model_choice(options: argparse.Namespace, derivatives: Sequence[Derivative]) -> ModelChoice:
    """Return the model that the options choose for runs.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed options of the command line.
    derivatives : sequence of Derivative
        Derivative datasets that the runs are from.
    """
    drift, high_pass = _drift(options)
    defaults = DefaultModelOptions(
        conditions=_tuple(options.conditions),
        trial_type_column=options.trial_type_column or TRIAL_TYPE,
        hrf_model=options.hrf_model or HRF_MODEL,
        fir_delays=_tuple(options.fir_delays),
        modulate=tuple(options.modulate or ()),
        orthogonalize=tuple(options.orthogonalize or ()),
        contrasts=_tuple(options.contrast),
        drift=drift,
        high_pass=high_pass,
        noise_model=options.noise_model or NOISE_MODEL,
        signal_scaling=options.signal_scaling or SIGNAL_SCALING,
        **_smoothing_of_runs(options.smoothing),
    )
    file = None if options.model == "default" else Path(options.model)
    dummy_scans = options.dummy_scans
    confounds = ConfoundRequest(
        strategies=_tuple(options.confounds),
        fd_threshold=options.fd_threshold,
        dummy_scans=None if dummy_scans in (None, "auto") else dummy_scans,
        drift_is_requested=options.high_pass is not None or options.drift is not None,
    )
    return ModelChoice(
        file,
        defaults,
        options.mask,
        confounds,
        meshes=tuple(options.mesh or ()),
        fit_options=_fit_options(options) if file is not None else {},
        level_options=_level_options(options.smoothing),
        missing_conditions=options.missing_conditions or MISSING_POLICY,
        missing_times=options.missing_times or MISSING_TIMES_POLICY,
        on_bad_run=options.on_bad_run or BAD_RUN_POLICY,
        timing=TimingOptions(
            options.repetition_time,
            options.slice_time_reference,
            options.slice_times or SLICE_TIMES[0],
        ),
        name=options.model_name,
        derivatives=tuple(sorted(derivative.pipeline for derivative in derivatives)),
        selection=selection_of(options).of_runs(),
        replaces=options.fresh,
    )


def higher_model_choice(options: argparse.Namespace, levels: Sequence[str]) -> HigherModelChoice:
    """Return the models that the options choose for levels above finished results."""
    file = None if options.model == "default" else Path(options.model)
    smoothing = options.smoothing
    return HigherModelChoice(
        file,
        options.model_name,
        _fit_options(options) if file is not None else {},
        _level_options(smoothing) if smoothing and smoothing.level in levels else {},
    )


def check_options_of_results(
    options: argparse.Namespace, models: Sequence[Model], levels: Sequence[str]
) -> None:
    """Refuse options that finished results, which a level starts from, do not have.

    Raises
    ------
    UsageError
        If an option was given that results depend on, and they have another value.
    """
    if options.smoothing is not None:
        _check_smoothing_of_results(options.smoothing, levels, models)
    names = [
        name
        for name in given_options(options, ANALYSIS)
        if name not in ("model", "model_name", "smoothing")
        and (options.model == "default" or name not in OF_FILE)
    ]
    if not names:
        return
    derivatives = find_derivatives(options.bids_dir, options.derivatives)
    here = analysis_options(model_choice(options, derivatives))
    flags = [flag_of(name) for name in names]
    refuse_other_options(models, {flag: here.get(flag) for flag in flags}, levels)


def _drift(options: argparse.Namespace) -> tuple[str, float | None]:
    """Return the drift model and the period of its cosines."""
    drift = options.drift or DRIFT
    if drift != DRIFT or options.high_pass == "none":
        return drift, None
    return drift, HIGH_PASS if options.high_pass is None else options.high_pass


def _smoothing_of_runs(smoothing: Smoothing | None) -> dict[str, Any]:
    if smoothing is None or smoothing.level != "run":
        return {}
    return {"smoothing": smoothing.fwhm, "smoothing_type": smoothing.kind}


def _level_options(smoothing: Smoothing | None) -> dict[str, dict[str, Any]]:
    """Return the options of higher levels, with the keys of a model file."""
    if smoothing is None or smoothing.level == "run":
        return {}
    return {smoothing.level: {"SmoothingFWHM": smoothing.fwhm}}


def _check_smoothing_of_results(
    smoothing: Smoothing, levels: Sequence[str], models: Sequence[Model]
) -> None:
    """Refuse a smoothing of lower levels that their finished results do not have."""
    if smoothing.level in levels:
        return
    for model in models:
        of_runs = (model.smoothing, model.smoothing_type)
        if smoothing.level != "run" or of_runs != (smoothing.fwhm, smoothing.kind):
            width = f"{smoothing.fwhm:g}"
            raise UsageError(
                f"--smoothing {width}:{smoothing.level} does not match the finished results, "
                f"which this level starts from (smoothing of the runs: {smoothing_words(model)}). "
                f"Run the participant level with --smoothing {width}:{smoothing.level}, or write "
                f"{' or '.join(f'{width}:{level}' for level in levels)} to smooth the effects "
                "that enter this level."
            )


def _fit_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the fit, with the keys of a model file."""
    dummy_scans = options.dummy_scans if isinstance(options.dummy_scans, int) else None
    smoothing = _smoothing_of_runs(options.smoothing)
    values = {
        "NoiseModel": options.noise_model,
        "SignalScaling": options.signal_scaling,
        "SmoothingFWHM": smoothing.get("smoothing"),
        "SmoothingType": smoothing.get("smoothing_type"),
        FD_THRESHOLD: options.fd_threshold,
        DUMMY_SCANS: dummy_scans,
    }
    return {key: value for key, value in values.items() if value is not None}


def _tuple(values: Sequence | None) -> tuple | None:
    return None if values is None else tuple(values)
