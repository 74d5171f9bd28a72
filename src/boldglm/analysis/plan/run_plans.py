"""The plan of one run: its design and contrasts, from the model and the tables of the run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from boldglm._version import __version__
from boldglm.analysis.first_level.confounds import confounds_of_run
from boldglm.analysis.first_level.event_design import (
    RunTiming,
    apply_orthogonalization,
    design_from_events,
)
from boldglm.analysis.first_level.model_design import RunTables, design_from_model
from boldglm.analysis.first_level.run_quality import RunQuality, motion_warning, quality_of_run
from boldglm.analysis.first_level.settings import BuiltDesign, DesignSettings, SliceDesigns
from boldglm.analysis.model.model import Model
from boldglm.analysis.model.orthogonalized_contrasts import meaning_warning
from boldglm.analysis.plan.event_units import coverage_warning
from boldglm.analysis.plan.slice_times import SliceTimes
from boldglm.analysis.plan.slow_contrasts import slow_contrast_warning
from boldglm.analysis.plan.timing import uneven_times_warning
from boldglm.errors import BadDataError, StopRequestedError
from boldglm.glm import Collinearity, Confounds, Design, collinearity
from boldglm.glm.design.confounds import describe_scans
from boldglm.glm.first_level.contrasts import contrast_weights
from boldglm.glm.first_level.fit import check_noise_model
from boldglm.io.bids.confounds_table import ConfoundsTable
from boldglm.io.bids.events import Events
from boldglm.io.bids.run_inputs import RunInputs
from boldglm.io.images.formats import read_mask
from boldglm.io.images.geometry import BoldHeader
from boldglm.io.outputs.records import fingerprint
from boldglm.notices import Notice, warning
from boldglm.stats_model.run_contrasts import reweighted_contrasts
from boldglm.stats_model.specification import ContrastSpec
from boldglm.vocabulary import MISSING_TIMES_POLICY


@dataclass(frozen=True)
class RunRead:
    """Headers and tables of one run.

    Parameters
    ----------
    inputs : RunInputs
        Files and timing.
    header : BoldHeader
        Header of the BOLD series.
    events : Events or None
        Events, for models of trial types convolved with an HRF.
    columns : dict of str to ndarray
        Columns of the events, for models with other transformations.
    table : ConfoundsTable or None
        Confounds.
    notices : tuple of Notice
        What was chosen when they were read.
    slice_times : SliceTimes or None
        When slices were acquired, if each is modeled at its own time.
    missing_times : {"row", "run", "error"}
        What an event without onset or duration excludes.
    """

    inputs: RunInputs
    header: BoldHeader
    events: Events | None
    columns: dict[str, np.ndarray]
    table: ConfoundsTable | None
    notices: tuple[Notice, ...] = ()
    slice_times: SliceTimes | None = None
    missing_times: str = MISSING_TIMES_POLICY

    @property
    def timing(self) -> RunTiming:
        """When the volumes were acquired."""
        run = self.inputs
        return RunTiming(run.n_scans, run.repetition_time, run.start_time, run.volume_timing)

    @property
    def tables(self) -> RunTables:
        """The tables that transformations are applied to."""
        events = self.inputs.events or self.inputs.bold  # names the run in messages
        names = events.name, self.inputs.bold.name
        return RunTables(self.columns, self.table, self.timing, *names, self.missing_times)


@dataclass(frozen=True)
class RunDesign:
    """The design of a run before contrasts are known.

    `before` is the design before orthogonalization, or None if nothing was orthogonalized.
    `slices` are the designs at the times of the slices, or None if all are modeled at one time.
    """

    run: RunRead
    design: Design
    before: Design | None
    confounds: Confounds
    notices: tuple[Notice, ...]
    slices: SliceDesigns | None = None


@dataclass(frozen=True)
class RunPlan:
    """One run with its design and contrasts, ready to be fitted.

    `fingerprint` is a digest of everything that the maps of the run depend on; `fit_key` is one
    of everything but the contrasts.
    """

    inputs: RunInputs
    header: BoldHeader
    built: BuiltDesign
    confounds: Confounds
    collinearity: Collinearity
    contrasts: tuple[ContrastSpec, ...]
    fingerprint: str
    fit_key: str = ""
    quality: RunQuality = field(default_factory=RunQuality)

    @property
    def design(self) -> Design:
        """The design that is fitted."""
        return self.built.design

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Exclusions, warnings and notes that are known before the fit."""
        return self.built.notices


def design_of_run(run: RunRead, model: Model, known: Iterable[str], missing: str) -> RunDesign:
    """Build the design of a run.

    Parameters
    ----------
    run : RunRead
        Headers and tables of the run.
    model : Model
        The model.
    known : iterable of str
        Names of variables that some run has, from `names_in_any_run`.
    missing : {"drop", "zero", "error"}
        What to do if this run lacks a condition.

    Returns
    -------
    RunDesign
        The design, before and after orthogonalization, and its notices.

    Raises
    ------
    BadDataError
        If the events or confounds do not fit the model.
    """
    inputs = run.inputs
    events_name = (inputs.events or inputs.bold).name
    if model.plain is None:
        built = design_from_model(model, run.tables, known, missing)
        design, confounds, notices = built.design, built.confounds, built.notices
    else:
        assert run.events is not None
        plain = model.plain
        absent = [name for name in plain.conditions if name not in run.events.conditions]
        if absent and missing == "error":
            raise StopRequestedError(
                f"{events_name} has no event of {', '.join(absent)}, and "
                "--missing-conditions error does not allow that. Pass --missing-conditions drop, "
                "or choose other runs."
            )
        settings = DesignSettings(
            plain.conditions,
            plain.hrf_model,
            plain.fir_delays,
            model.high_pass,
            model.modulators,
            prefix=plain.prefix,
            drift=model.drift,
        )
        confounds = confounds_of_run(run.table, model.confounds, inputs.n_scans, inputs.bold.name)
        try:
            design, notices = design_from_events(
                run.events, run.timing, settings, events_name, confounds, missing
            )
        except ValueError as error:
            raise BadDataError(f"{events_name}: {error}") from error
    try:
        orthogonalized, exclusions = apply_orthogonalization(design, model.orthogonalize)
    except ValueError as error:
        raise BadDataError(f"{events_name}: {error}") from error
    before = design if model.orthogonalize else None
    notices = (*run.notices, *notices, *exclusions)
    return RunDesign(run, orthogonalized, before, confounds, notices)


def plan_run(
    run_design: RunDesign, model: Model, contrasts: Sequence[ContrastSpec], missing: str
) -> RunPlan:
    """Check that a run can be fitted, and determine which contrasts it can estimate.

    Parameters
    ----------
    run_design : RunDesign
        From `design_of_run`.
    model : Model
        The model.
    contrasts : sequence of ContrastSpec
        Contrasts of all runs.
    missing : {"drop", "zero", "error"}
        What to do if this run lacks a condition.

    Returns
    -------
    RunPlan
        The run, ready to be fitted.

    Raises
    ------
    BadDataError
        If the design leaves no degrees of freedom, or the mask does not fit the series.
    """
    inputs, design = run_design.run.inputs, run_design.design
    notices = list(run_design.notices)
    uneven = uneven_times_warning(run_design.run.timing, model.noise_model)
    notices += [] if uneven is None else [uneven]
    _check_geometry(inputs, run_design.run.header, model)
    if missing == "zero":
        contrasts, warnings = reweighted_contrasts(contrasts, design.names)
        notices += warnings
    weights = [
        contrast_weights(spec.weights_by_column, design.names, spec.name)
        for spec in contrasts
        if set(spec.columns) <= set(design.names)
    ]
    meanings = (meaning_warning(*each, design.names, design.shared) for each in weights)
    notices += [notice for notice in meanings if notice is not None]
    slow = slow_contrast_warning(design, weights, model)
    notices += [] if slow is None else [slow]
    diagnostics = collinearity(design, dict(weights))
    _check_freedom(inputs, design, diagnostics, model.noise_model)
    if diagnostics.rank < design.n_regressors:
        notices.append(
            warning(
                f"the design has {design.n_regressors} columns but rank {diagnostics.rank}: "
                f"{collinear_names(diagnostics)} are exactly collinear and share their estimate"
            )
        )
    covering = _coverage(run_design.run, model, design, diagnostics)
    quality = quality_of_run(run_design.run.table, design)
    notices += [each for each in (covering, motion_warning(quality)) if each is not None]
    fit_key = _fit_key(run_design, model)
    return RunPlan(
        inputs=inputs,
        header=run_design.run.header,
        built=BuiltDesign(
            design,
            run_design.before,
            model.orthogonalize,
            tuple(notices),
            model.hrf_model,
            run_design.slices,
        ),
        confounds=run_design.confounds,
        collinearity=diagnostics,
        contrasts=tuple(contrasts),
        quality=quality,
        fit_key=fit_key,
        fingerprint=fingerprint(
            fit_key, [spec.to_dict() for spec in contrasts], model.digest_of(model.run_node.name)
        ),
    )


def _coverage(
    run: RunRead, model: Model, design: Design, diagnostics: Collinearity
) -> Notice | None:
    """Warn of conditions that cover the run."""
    if run.events is None or model.plain is None:
        return None
    rows = zip(
        run.events.trial_type.tolist(),
        run.events.onset.tolist(),
        run.events.duration.tolist(),
        strict=True,
    )
    events = [row for row in rows if row[0] in model.plain.conditions]
    names = [design.names[column] for column in design.columns("condition")]
    return coverage_warning(
        events, run.timing.end, {name: diagnostics.vif[name] for name in names}
    )


def _fit_key(run_design: RunDesign, model: Model) -> str:
    """Return a digest of everything that the fit of a run depends on."""
    inputs, design, slices = run_design.run.inputs, run_design.design, run_design.slices
    return fingerprint(
        __version__,
        inputs.bold,
        inputs.mask,
        *inputs.meshes,
        design.matrix,
        list(design.names),
        [model.noise_model, model.signal_scaling, model.smoothing, model.smoothing_type],
        list(model.orthogonalize),
        [inputs.repetition_time, inputs.start_time, *inputs.volume_timing],
        *([] if slices is None else [slices.matrices, [slices.axis, *slices.groups]]),
    )


def collinear_names(diagnostics: Collinearity) -> str:
    """Return the names of regressors with infinite variance inflation."""
    return ", ".join(name for name, value in diagnostics.vif.items() if not np.isfinite(value))


def _check_freedom(
    inputs: RunInputs, design: Design, diagnostics: Collinearity, noise_model: str
) -> None:
    """Refuse a design that leaves too few degrees of freedom for the noise model."""
    if inputs.n_scans <= diagnostics.rank:
        text = (
            f"{inputs.bold.name} has {inputs.n_scans} volumes and its design "
            f"{design.n_regressors} regressors (rank {diagnostics.rank}), which leaves no degrees "
            "of freedom for noise. "
        )
        if design.censored:
            text += f"Censored volumes: {describe_scans(design.censored, inputs.n_scans)}. "
        raise BadDataError(
            f"{text}Model fewer conditions (--conditions) or confounds (--confounds), censor less "
            "(--fd-threshold), use fewer drift regressors (a longer --high-pass period), or "
            "choose other runs."
        )
    try:
        check_noise_model(design, noise_model)
    except ValueError as error:
        raise BadDataError(f"{inputs.bold.name}: {error}") from error


def _check_geometry(inputs: RunInputs, header: BoldHeader, model: Model) -> None:
    """Refuse a mask on another grid, and smoothing of a surface without a mesh."""
    if inputs.mask is not None:
        read_mask(inputs.mask, header)
    for fwhm in model.smoothing_widths:
        header.geometry.with_meshes(inputs.meshes).check_smoothing(fwhm)
