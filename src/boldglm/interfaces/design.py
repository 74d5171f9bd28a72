"""Interfaces that build, orthogonalize and write the design of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiPath,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from boldglm.analysis.first_level.confounds import confounds_of_run
from boldglm.analysis.first_level.event_design import (
    RunTiming,
    apply_orthogonalization,
    design_from_events,
)
from boldglm.analysis.first_level.model_design import RunTables, design_from_model
from boldglm.analysis.first_level.settings import BuiltDesign, DesignSettings
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.model import read_model
from boldglm.analysis.model.modulation import Modulator
from boldglm.glm import Confounds, parse_orthogonalization
from boldglm.io.bids.confounds_table import read_confounds
from boldglm.io.bids.events import PREFIX, no_event_columns, read_event_columns, read_events
from boldglm.io.images.formats import read_bold_header
from boldglm.io.outputs.design_files import read_design, write_design
from boldglm.io.outputs.names import sidecar
from boldglm.notices import Notice, by_kind
from boldglm.vocabulary import DRIFT, HIGH_PASS, HRF_MODEL, MISSING_POLICIES, SLICE_TIME_REFERENCE


class _DesignInput(BaseInterfaceInputSpec):
    wait_for = traits.Any(
        nohash=True, desc="any output of an earlier node, to start after it; not used"
    )


class _RunTablesInput(_DesignInput):
    events_file = File(exists=True, mandatory=True, desc="BIDS events of the run")
    bold_file = File(exists=True, desc="BOLD series, whose header has what follows")
    n_scans = traits.Range(low=2, desc="number of volumes, instead of that of bold_file")
    repetition_time = traits.Float(desc="seconds between volumes, instead of those of bold_file")
    start_time = traits.Float(
        desc="time at which the first volume is modeled, in seconds (default: "
        "slice_time_reference times repetition_time)"
    )
    slice_time_reference = traits.Range(
        low=0.0,
        high=1.0,
        value=SLICE_TIME_REFERENCE,
        usedefault=True,
        desc="fraction of repetition_time at which volumes are modeled, if start_time is not set",
    )
    volume_timing = traits.List(
        traits.Float,
        desc="onset of each volume in seconds, instead of n_scans and repetition_time, for sparse "
        "acquisition; needs start_time",
    )
    confounds_file = InputMultiPath(
        File(exists=True), desc="tables of confounds, with a row for each volume"
    )


class _BuildDesignInput(_RunTablesInput):
    conditions = traits.List(traits.Str, desc="trial types to model (default: all)")
    hrf_model = traits.Str(HRF_MODEL, usedefault=True, desc="hemodynamic response function")
    fir_delays = traits.List(traits.Float, desc="delays in seconds, if hrf_model is fir")
    high_pass = traits.Either(
        None,
        traits.Float,
        default=HIGH_PASS,
        usedefault=True,
        desc="cut-off period of the cosine drift in seconds, or None",
    )
    drift = traits.Str(DRIFT, usedefault=True, desc="cosine, polynomial, polynomial:ORDER or none")
    confounds = traits.List(traits.Str, desc="columns of confounds_file: names and patterns")
    fd_threshold = traits.Float(desc="censor volumes with more framewise displacement, mm")
    dummy_scans = traits.Range(
        low=0, value=0, usedefault=True, desc="number of first volumes to censor"
    )
    modulators = traits.List(
        traits.Dict, desc="columns of the events that scale responses: Condition, Column, Order"
    )
    prefix = traits.Str(
        PREFIX, usedefault=True, desc="put before each trial type to name its column"
    )


class _BuildModelDesignInput(_RunTablesInput):
    events_file = File(exists=True, desc="BIDS events of the run; a model of confounds needs none")
    model_file = File(exists=True, mandatory=True, desc="BIDS Stats Model")
    known_variables = traits.List(traits.Str, desc="names of variables that other runs have")
    missing_conditions = traits.Enum(
        *MISSING_POLICIES, usedefault=True, desc="what to do if this run lacks a condition"
    )


class _DesignOutput(TraitedSpec):
    design_file = File(exists=True, desc="design matrix, TSV with JSON sidecar")
    sidecar_file = File(exists=True, desc="JSON sidecar, which must stay with the design")
    notices = traits.List(traits.Any, desc="exclusions, warnings and notes")


def _results(path: Path, notices: Sequence[Notice]) -> dict:
    # nipype removes files that no output names
    return {
        "design_file": str(path),
        "sidecar_file": str(sidecar(path)),
        "notices": list(notices),
    }


class BuildDesign(SimpleInterface):
    """Build the design of a run: events convolved with an HRF, confounds, drift and a constant.

    See Also
    --------
    boldglm.glm.build_design : Builds a design from arrays.

    Examples
    --------
    >>> build = BuildDesign(hrf_model="glover", n_scans=200, repetition_time=2.0)
    >>> build.inputs.events_file = "sub-01_task-faces_events.tsv"  # doctest: +SKIP
    >>> build.run().outputs.design_file  # doctest: +SKIP
    """

    input_spec = _BuildDesignInput
    output_spec = _DesignOutput

    def _run_interface(self, runtime):
        inputs = self.inputs
        settings = DesignSettings(
            conditions=tuple(inputs.conditions) if isdefined(inputs.conditions) else None,
            hrf_model=inputs.hrf_model,
            fir_delays=tuple(inputs.fir_delays) if isdefined(inputs.fir_delays) else None,
            high_pass=inputs.high_pass,
            modulators=tuple(
                Modulator(rule["Condition"], rule["Column"], int(rule.get("Order", 1)))
                for rule in (inputs.modulators if isdefined(inputs.modulators) else [])
            ),
            prefix=inputs.prefix,
            drift=inputs.drift,
        )
        events = Path(inputs.events_file)
        timing = _timing(inputs)
        design, notices = design_from_events(
            read_events(events), timing, settings, events.name, self._confounds(timing.n_scans)
        )
        path = Path(runtime.cwd) / "design.tsv"
        write_design(design, path, dict(by_kind(notices)))
        self._results = _results(path, notices)
        return runtime

    def _confounds(self, n_scans: int) -> Confounds:
        inputs = self.inputs
        table = None
        if isdefined(inputs.confounds_file):
            table = read_confounds(*map(Path, inputs.confounds_file))
        settings = ConfoundSettings(
            columns=tuple(inputs.confounds) if isdefined(inputs.confounds) else (),
            fd_threshold=inputs.fd_threshold if isdefined(inputs.fd_threshold) else None,
            dummy_scans=inputs.dummy_scans,
        )
        return confounds_of_run(table, settings, n_scans, Path(inputs.events_file).name)


class BuildModelDesign(SimpleInterface):
    """Build the design of a run with the run node of a BIDS Stats Model."""

    input_spec = _BuildModelDesignInput
    output_spec = _DesignOutput

    def _run_interface(self, runtime):
        inputs = self.inputs
        table, columns, name = None, no_event_columns(), "the run"
        if isdefined(inputs.bold_file):
            name = Path(inputs.bold_file).name
        if isdefined(inputs.events_file):
            name = Path(inputs.events_file).name
            columns = read_event_columns(Path(inputs.events_file))
        if isdefined(inputs.confounds_file):
            table = read_confounds(*map(Path, inputs.confounds_file))
        tables = RunTables(columns, table, _timing(inputs), name, name)
        built = design_from_model(
            read_model(Path(inputs.model_file)),
            tables,
            inputs.known_variables if isdefined(inputs.known_variables) else (),
            inputs.missing_conditions,
        )
        path = Path(runtime.cwd) / "design.tsv"
        write_design(built.design, path, dict(by_kind(built.notices)))
        self._results = _results(path, built.notices)
        return runtime


def _timing(inputs: _RunTablesInput) -> RunTiming:
    if isdefined(inputs.volume_timing):
        return _sparse_timing(inputs)
    n_scans, repetition_time = inputs.n_scans, inputs.repetition_time
    if isdefined(inputs.bold_file):
        header = read_bold_header(Path(inputs.bold_file))
        n_scans = n_scans if isdefined(n_scans) else header.n_scans
        if not isdefined(repetition_time):
            repetition_time = header.repetition_time
    if not isdefined(n_scans) or not isdefined(repetition_time) or repetition_time is None:
        raise ValueError(
            "The design needs bold_file, or n_scans and repetition_time (in seconds)."
        )
    fraction = inputs.slice_time_reference  # undefined if a workflow connects it without a value
    start_time = (fraction if isdefined(fraction) else SLICE_TIME_REFERENCE) * repetition_time
    if isdefined(inputs.start_time):
        start_time = inputs.start_time
    return RunTiming(int(n_scans), float(repetition_time), float(start_time))


def _sparse_timing(inputs: _RunTablesInput) -> RunTiming:
    onsets = tuple(inputs.volume_timing)
    if not isdefined(inputs.start_time) or len(onsets) < 2 or (np.diff(onsets) <= 0).any():
        raise ValueError(
            "volume_timing must be two or more increasing onsets in seconds, together with "
            "start_time, the time at which the first volume is modeled."
        )
    return RunTiming(len(onsets), float(np.median(np.diff(onsets))), inputs.start_time, onsets)


class _OrthogonalizeDesignInput(BaseInterfaceInputSpec):
    design_file = File(exists=True, mandatory=True, desc="design from BuildDesign")
    rules = traits.List(traits.Str, mandatory=True, desc="rules such as 'B ~ A' or 'B ~ A1 + A2'")


class OrthogonalizeDesign(SimpleInterface):
    """Orthogonalize regressors of a design, by rules such as ``B ~ A1 + A2``.

    See Also
    --------
    boldglm.glm.orthogonalize_design : Does this to a design in memory.
    """

    input_spec = _OrthogonalizeDesignInput
    output_spec = _DesignOutput

    def _run_interface(self, runtime):
        design = read_design(Path(self.inputs.design_file))
        known = list(dict.fromkeys([*filter(None, design.conditions), *design.names]))
        rules = [parse_orthogonalization(rule, known) for rule in self.inputs.rules]
        orthogonalized, notices = apply_orthogonalization(design, rules)
        path = Path(runtime.cwd) / "design.tsv"
        details = {**by_kind(notices), "Orthogonalized": list(self.inputs.rules)}
        write_design(orthogonalized, path, details)
        self._results = _results(path, notices)
        return runtime


class _WriteDesignInput(_DesignInput):
    built = traits.Instance(BuiltDesign, mandatory=True, desc="the design that the plan has built")


class _WriteDesignOutput(_DesignOutput):
    before_file = File(exists=True, desc="design before orthogonalization, if there are rules")
    before_sidecar_file = File(exists=True, desc="JSON sidecar of before_file")
    slice_designs_file = File(
        exists=True,
        desc="designs at the times of the slices (npz), if slices are fitted at theirs",
    )


class WriteDesign(SimpleInterface):
    """Write a design that has been built already."""

    input_spec = _WriteDesignInput
    output_spec = _WriteDesignOutput
    _always_run = True  # nipype would tell designs apart by their summaries only

    def _run_interface(self, runtime):
        here, built = Path(runtime.cwd), self.inputs.built
        rules = [f"{regressor} ~ {' + '.join(against)}" for regressor, against in built.rules]
        details = {**by_kind(built.notices), "Orthogonalized": rules}
        write_design(built.design, here / "design.tsv", details)
        self._results = _results(here / "design.tsv", built.notices)
        if built.before is not None:
            path = here / "before.tsv"
            write_design(built.before, path, {})
            self._results |= {"before_file": str(path), "before_sidecar_file": str(sidecar(path))}
        if built.slices is not None:
            built.slices.save(here / "slice_designs.npz")
            self._results["slice_designs_file"] = str(here / "slice_designs.npz")
        return runtime
