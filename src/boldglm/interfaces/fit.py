"""The fit of a run at all voxels at once, and the maps of its contrasts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiPath,
    OutputMultiPath,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from boldglm.analysis.first_level.contrast_maps import estimate_contrasts, fewest_dof
from boldglm.analysis.first_level.run_maps import whiteness_note, write_run_maps
from boldglm.analysis.first_level.single_trials import METHODS, TrialSettings, write_single_trials
from boldglm.analysis.model.model_options import SMOOTHING_TYPES
from boldglm.glm import Design, fit
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.spatial.smoothness import sampled_residuals
from boldglm.io.bids.events import read_events
from boldglm.io.files.json_files import write_json
from boldglm.io.images.bold_series import MaskedRun, Reading, load_run
from boldglm.io.images.noise_smoothness import measured
from boldglm.io.outputs.derivatives import RUN_MAPS
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.fit_cache import keep_fit, kept_fit, read_fit, write_fit
from boldglm.notices import Notice, exclusion, from_pairs
from boldglm.stats_model.specification import ContrastSpec


class _FitGLMInput(BaseInterfaceInputSpec):
    bold_file = File(exists=True, mandatory=True, desc="4-D BOLD series")
    design_file = File(exists=True, mandatory=True, desc="design matrix as BuildDesign writes it")
    mask_file = File(exists=True, desc="brain mask (default: computed from the series)")
    mesh_files = InputMultiPath(
        File(exists=True), desc="surfaces that tell distances, to smooth along"
    )
    noise_model = traits.Str("auto", usedefault=True, desc="as for boldglm.glm.first_level.fit")
    signal_scaling = traits.Enum("percent", "none", usedefault=True, desc="unit of the effects")
    smoothing = traits.Range(
        low=0.0, exclude_low=True, desc="FWHM in mm of a Gaussian within the mask (default: none)"
    )
    smoothing_type = traits.Enum(
        *SMOOTHING_TYPES,
        usedefault=True,
        desc="iso: by that width; isoblurto: until residuals are so smooth",
    )
    maps = traits.List(
        traits.Enum(*RUN_MAPS), desc="maps of the run as a whole, beside those of its contrasts"
    )
    single_trials = traits.Enum(*METHODS, desc="estimate every trial as well: lsa or lss")
    events_file = File(exists=True, desc="BIDS events of the run, for single_trials")
    hrf_model = traits.Str("spm", usedefault=True, desc="of single_trials, less its derivatives")
    cache_folder = traits.Str(desc="where to keep the fit, and to look for one kept before")
    cache_key = traits.Str("", usedefault=True, desc="digest of all that the fit depends on")
    n_threads = traits.Int(
        1,
        usedefault=True,
        nohash=True,
        desc="blocks of voxels at a time; with more than one, files are decompressed ahead",
    )


class _FitGLMOutput(TraitedSpec):
    fit_file = File(exists=True, desc="sufficient statistics of the fit, npz")
    mask_file = File(exists=True, desc="voxels that were fitted")
    mean_file = File(exists=True, desc="mean of the series over time")
    mask_size = traits.Dict(desc="number of voxels Analyzed, and Excluded (no variance)")
    notices = traits.List(traits.Any, desc="exclusions, warnings and notes")
    run_maps = traits.Dict(desc="maps of the run as a whole, by label")
    whiteness = traits.Dict(desc="share of voxels whose residuals are not white, and expected")
    smoothness = traits.Dict(desc="FWHM of the residuals in each part, mm")
    trial_maps = traits.Dict(desc="maps and tables of single trials, by label")


class FitGLM(SimpleInterface):
    """Fit one design to all voxels of a run: one pseudo-inverse, one matrix product.

    Single trials are estimated here too (LSA: Rissman 2004; LSS: Mumford 2012), so that the
    series is read once.
    """

    input_spec = _FitGLMInput
    output_spec = _FitGLMOutput

    def _run_interface(self, runtime):
        inputs, here = self.inputs, Path(runtime.cwd)
        if isdefined(inputs.cache_folder):
            kept = kept_fit(Path(inputs.cache_folder), inputs.cache_key)
            if kept is not None:
                self._results = kept
                return runtime
        mask_file = Path(inputs.mask_file) if isdefined(inputs.mask_file) else None
        design = read_design(Path(inputs.design_file))
        is_to_target = isdefined(inputs.smoothing) and inputs.smoothing_type == "isoblurto"
        reading = Reading(
            signal_scaling=inputs.signal_scaling,
            smoothing=inputs.smoothing if isdefined(inputs.smoothing) else None,
            smoothing_type=inputs.smoothing_type,
            basis=linear_model(design.matrix).basis if is_to_target else None,
            n_threads=inputs.n_threads,
            spool_folder=here,
            meshes=_paths(self.inputs.mesh_files),
            censored=frozenset(design.censored),
        )
        run = load_run(Path(inputs.bold_file), mask_file, reading)
        run_maps, white, smooth = self._fit(run, design, here)
        trial_maps, trial_notices = self._trials(run, design, here)
        note = whiteness_note(white, inputs.noise_model)
        notes = [*self._absent(run_maps), *([note] if note else [])]
        inside, everywhere = run.geometry, run.geometry.everywhere()
        mask_made = inside.write_map(here, "mask", np.ones(inside.n_voxels), dtype=np.uint8)
        mean_made = everywhere.write_map(here, "mean", run.mean[everywhere.mask])
        self._results = {
            "fit_file": str(here / "fit.npz"),
            "mask_file": str(mask_made),
            "mean_file": str(mean_made),
            "mask_size": run.mask_size,
            "notices": [*run.notices, *notes, *trial_notices],
            "run_maps": {label: str(path) for label, path in run_maps.items()},
            "whiteness": white,
            "smoothness": smooth,
            "trial_maps": {label: str(path) for label, path in trial_maps.items()},
        }
        if isdefined(inputs.cache_folder):
            keep_fit(Path(inputs.cache_folder), inputs.cache_key, self._results)
        return runtime

    def _fit(self, run: MaskedRun, design: Design, here: Path):
        """Fit and write; what a fit holds is gone before single trials are estimated."""
        found = fit(
            run.bold, design, noise=self.inputs.noise_model, n_threads=self.inputs.n_threads
        )
        write_fit(here / "fit.npz", found, run.scale)
        wanted = self.inputs.maps if isdefined(self.inputs.maps) else []
        maps, white = write_run_maps(run, found, wanted, _repetition_time(design), here)
        parts = run.geometry.with_meshes(_paths(self.inputs.mesh_files)).domains()
        smooth = measured(sampled_residuals(run.bold, found), parts)
        smooth = {name: {**one, **run.blur.get(name, {})} for name, one in smooth.items()}
        return maps, white, smooth

    def _absent(self, run_maps: dict[str, Path]) -> list[Notice]:
        """Say which map was asked for and cannot be."""
        wanted = self.inputs.maps if isdefined(self.inputs.maps) else []
        if "ar" not in wanted or "ar" in run_maps:
            return []
        return [
            exclusion(f"--maps ar: the noise model {self.inputs.noise_model} has no coefficients")
        ]

    def _trials(self, run: MaskedRun, design: Design, here: Path):
        """Estimate single trials, if they are asked for."""
        if not isdefined(self.inputs.single_trials):
            return {}, ()
        choices = TrialSettings(
            self.inputs.single_trials, self.inputs.hrf_model, self.inputs.noise_model
        )
        events = read_events(Path(self.inputs.events_file))
        return write_single_trials(run, events, design, choices, here)


def _paths(given) -> tuple[Path, ...]:
    return tuple(Path(path) for path in given) if isdefined(given) else ()


def _repetition_time(design: Design) -> float:
    first, *_, last = design.frame_times
    return round(float(last - first) / (design.n_scans - 1), 6)


class _EstimateContrastsInput(BaseInterfaceInputSpec):
    fit_file = File(exists=True, mandatory=True, desc="as FitGLM writes it")
    mask_file = File(exists=True, mandatory=True, desc="voxels that were fitted")
    mean_file = File(exists=True, mandatory=True, desc="mean image, kept with the result")
    mesh_files = InputMultiPath(File(exists=True), desc="surfaces to draw on, kept likewise")
    contrasts = traits.List(
        traits.Any,
        mandatory=True,
        desc="expressions ('faces - houses', 'name = a, b'), or contrasts of a model: "
        "dictionaries of Name, ConditionList, Weights and Test, or ContrastSpec",
    )
    notices = traits.List(traits.Any, desc="those of earlier steps, kept with the result")
    run_maps = traits.Dict(desc="as FitGLM gives them, kept with the result")
    whiteness = traits.Dict(desc="as FitGLM gives it, kept with the result")
    smoothness = traits.Dict(desc="as FitGLM gives it, kept with the result")
    trial_maps = traits.Dict(desc="as FitGLM gives them, kept with the result")
    mask_size = traits.Dict(desc="as FitGLM gives it, kept with the result")
    maps = traits.List(
        traits.Enum(*RUN_MAPS), desc="as FitGLM has it; dof is written here, from the contrasts"
    )


class _ResultOutput(TraitedSpec):
    result_file = File(exists=True, desc="JSON that lists the contrasts and their maps")
    map_files = OutputMultiPath(File(exists=True), desc="every map and image of the result")
    effect_files = OutputMultiPath(File(exists=True), desc="effect of each t contrast")
    variance_files = OutputMultiPath(File(exists=True), desc="variance of each effect")
    stat_files = OutputMultiPath(File(exists=True), desc="t or F of each contrast")
    z_files = OutputMultiPath(File(exists=True), desc="z of each contrast")


class EstimateContrasts(SimpleInterface):
    """Compute the maps of all contrasts from a fit, without the data."""

    input_spec = _EstimateContrastsInput
    output_spec = _ResultOutput

    def _run_interface(self, runtime):
        found, scale = read_fit(Path(self.inputs.fit_file))
        result = estimate_contrasts(
            found,
            scale,
            [
                ContrastSpec.from_dict(contrast) if isinstance(contrast, dict) else contrast
                for contrast in self.inputs.contrasts
            ],
            Path(self.inputs.mask_file),
            Path(self.inputs.mean_file),
            Path(runtime.cwd),
            from_pairs(self.inputs.notices) if isdefined(self.inputs.notices) else (),
        )
        given = self.inputs.run_maps if isdefined(self.inputs.run_maps) else {}
        trials = self.inputs.trial_maps if isdefined(self.inputs.trial_maps) else {}
        run_maps = {label: Path(path) for label, path in {**given, **trials}.items()}
        if isdefined(self.inputs.maps) and "dof" in self.inputs.maps:
            run_maps["dof"] = fewest_dof(result, Path(runtime.cwd))
        white = self.inputs.whiteness if isdefined(self.inputs.whiteness) else {}
        smooth = self.inputs.smoothness if isdefined(self.inputs.smoothness) else {}
        size = self.inputs.mask_size if isdefined(self.inputs.mask_size) else {}
        result = replace(
            result,
            maps=run_maps,
            whiteness=white,
            smoothness=smooth,
            mask_size=size,
            meshes=_paths(self.inputs.mesh_files),
        )
        self._results = result_files(result, Path(runtime.cwd))
        return runtime


def result_files(result, folder: Path) -> dict:
    """Write a result as JSON and list its maps by kind, as the outputs of an interface."""
    path = folder / "result.json"
    write_json(path, result.to_dict())
    kinds = {"effect": "effect_files", "variance": "variance_files", "z": "z_files"}
    files = {
        output: [str(one.maps[kind]) for one in result.contrasts if kind in one.maps]
        for kind, output in kinds.items()
    }
    stats = [str(one.maps[one.statistic]) for one in result.contrasts if one.statistic in one.maps]
    every = [str(one) for contrast in result.contrasts for one in contrast.maps.values()]
    every += [str(one) for one in (result.mask, result.mean) if one.parent == folder]
    every += [str(one) for one in result.maps.values()]
    for one in result.contrasts:
        if one.table is not None:
            every += [str(one.table), str(one.table.with_suffix(".json"))]
    return {"result_file": str(path), "map_files": every, "stat_files": stats, **files}
