"""Estimates of single trials, as an interface."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from boldglm.io.designs import read_design
from boldglm.io.events import read_events
from boldglm.io.series import Reading, load_run
from boldglm.io.trials import METHODS, TrialChoices, estimate_trials, trials_of_run, write_trials


class _EstimateSingleTrialsInput(BaseInterfaceInputSpec):
    bold_file = File(exists=True, mandatory=True, desc="4-D BOLD series")
    mask_file = File(exists=True, mandatory=True, desc="voxels that FitGLM fitted")
    design_file = File(exists=True, mandatory=True, desc="design; its conditions are replaced")
    events_file = File(exists=True, mandatory=True, desc="BIDS events of the run")
    method = traits.Enum(*METHODS, mandatory=True, desc="all trials in one model, or separately")
    hrf_model = traits.Str("spm", usedefault=True, desc="response; derivatives are ignored")
    noise_model = traits.Str("auto", usedefault=True, desc="of lsa, as for boldglm.glm.fit")
    signal_scaling = traits.Enum("percent", "none", usedefault=True, desc="unit of the effects")
    smoothing = traits.Range(low=0.0, exclude_low=True, desc="FWHM in mm (default: none)")


class _EstimateSingleTrialsOutput(TraitedSpec):
    effect_file = File(exists=True, desc="effect of each trial, a volume each")
    t_file = File(exists=True, desc="t of each trial, a volume each")
    table_file = File(exists=True, desc="what the volumes are, a row each")
    maps = traits.Dict(desc="all of them, by label")
    left_out = traits.List(traits.Str, desc="trials without an estimate, and why")


class EstimateSingleTrials(SimpleInterface):
    """Estimate the response to every trial (LSA: Rissman 2004; LSS: Mumford 2012)."""

    input_spec = _EstimateSingleTrialsInput
    output_spec = _EstimateSingleTrialsOutput

    def _run_interface(self, runtime):
        inputs, here = self.inputs, Path(runtime.cwd)
        choices = TrialChoices(inputs.method, inputs.hrf_model, inputs.noise_model)
        reading = Reading(
            signal_scaling=inputs.signal_scaling,
            smoothing=inputs.smoothing if isdefined(inputs.smoothing) else None,
            spool_folder=here,
        )
        design = read_design(Path(inputs.design_file))
        trials = trials_of_run(read_events(Path(inputs.events_file)), design, choices)
        run = load_run(Path(inputs.bold_file), Path(inputs.mask_file), reading)
        maps = write_trials(run, trials, estimate_trials(run, design, trials, choices), here)
        self._results = {
            "effect_file": str(maps["trialeffect"]),
            "t_file": str(maps["trialt"]),
            "table_file": str(maps["trials"]),
            "maps": {label: str(path) for label, path in maps.items()},
            "left_out": list(trials.left_out),
        }
        return runtime
