"""Interfaces that fit a run at all voxels and compute the maps of its contrasts."""

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

from boldglm.analysis.first_level.contrast_maps import estimate_contrasts, write_minimum_dof
from boldglm.analysis.first_level.measured_pairs import explained_pairs, measure_pair
from boldglm.analysis.first_level.regions import estimate_regions, fit_regions
from boldglm.analysis.first_level.run_maps import whiteness_warning, write_run_maps
from boldglm.analysis.first_level.settings import SliceDesigns
from boldglm.analysis.first_level.single_trials import METHODS, TrialSettings, write_single_trials
from boldglm.analysis.first_level.slices import RunFit, fit_run, in_voxel_order
from boldglm.glm import Design, Fit
from boldglm.glm.design.contrast_meaning import SharedVariance
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.spatial.smoothness import sampled_residuals
from boldglm.io.bids.atlas import Atlas, load_regions
from boldglm.io.bids.events import read_events
from boldglm.io.files.json_files import write_json
from boldglm.io.images.bold_series import MEMORY_LIMIT, LoadSettings, MaskedRun, load_run
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.noise_smoothness import measure_smoothness
from boldglm.io.images.slices import SliceGroups
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.fit_cache import cache_fit, cached_fit, read_fit, write_fit
from boldglm.io.outputs.measured_pairs import MeasuredPair
from boldglm.io.outputs.names import RUN_MAPS
from boldglm.io.outputs.records import NodeResult
from boldglm.io.outputs.region_tables import RegionFiles
from boldglm.notices import Notice, exclusion, from_pairs
from boldglm.stats_model.specification import ContrastSpec
from boldglm.vocabulary import (
    HRF_MODEL,
    NOISE_MODEL,
    SIGNAL_SCALINGS,
    SMOOTHING_TYPES,
    TRIAL_TYPE,
)


class _FitGLMInput(BaseInterfaceInputSpec):
    bold_file = File(exists=True, mandatory=True, desc="4-D BOLD series")
    design_file = File(exists=True, mandatory=True, desc="design from BuildDesign")
    slice_designs_file = File(
        exists=True, desc="designs at the times of the slices, from WriteDesign"
    )
    mask_file = File(exists=True, desc="brain mask (default: computed from the series)")
    mesh_files = InputMultiPath(File(exists=True), desc="surface meshes to smooth along")
    noise_model = traits.Str(
        NOISE_MODEL, usedefault=True, desc="noise model, as for boldglm.glm.fit"
    )
    signal_scaling = traits.Enum(*SIGNAL_SCALINGS, usedefault=True, desc="unit of the effects")
    smoothing = traits.Range(
        low=0.0, exclude_low=True, desc="FWHM in mm of a Gaussian within the mask (default: none)"
    )
    smoothing_type = traits.Enum(
        *SMOOTHING_TYPES,
        usedefault=True,
        desc="iso: smoothing is the width of the Gaussian; isoblurto: the smoothness of the "
        "residuals afterwards",
    )
    maps = traits.List(traits.Enum(*RUN_MAPS), desc="maps that belong to no contrast")
    single_trials = traits.Enum(*METHODS, desc="also estimate every trial: lsa or lss")
    events_file = File(exists=True, desc="BIDS events of the run, if single_trials is set")
    trial_type_column = traits.Str(
        TRIAL_TYPE, usedefault=True, desc="column of the events that names conditions"
    )
    hrf_model = traits.Str(
        HRF_MODEL, usedefault=True, desc="HRF of single_trials, of which derivatives are left out"
    )
    atlas = traits.Instance(Atlas, desc="atlas with regions whose mean series are fitted as well")
    cache_folder = traits.Str(desc="folder to store the fit in, and to reuse it from")
    cache_key = traits.Str(
        "", usedefault=True, desc="digest of everything that the fit depends on"
    )
    n_threads = traits.Int(
        1,
        usedefault=True,
        nohash=True,
        desc="blocks of voxels fitted at the same time; from 2, files are read ahead",
    )
    memory_limit = traits.Int(
        MEMORY_LIMIT,
        usedefault=True,
        nohash=True,
        desc="bytes; a longer series is read through a temporary file",
    )


class _FitGLMOutput(TraitedSpec):
    fit_file = File(exists=True, desc="sufficient statistics of the fit (npz)")
    mask_file = File(exists=True, desc="analyzed voxels")
    mean_file = File(exists=True, desc="mean of the series over time")
    mask_size = traits.Dict(desc="numbers of voxels: Analyzed, and Excluded (no variance)")
    notices = traits.List(traits.Any, desc="exclusions, warnings and notes")
    run_maps = traits.Dict(desc="maps that belong to no contrast, by label")
    whiteness = traits.Dict(
        desc="share of voxels with residuals that are not white, and its expectation"
    )
    quality = traits.Dict(desc="temporal signal-to-noise ratio, DVARS and degrees of freedom left")
    smoothness = traits.Dict(desc="FWHM of the residuals in each part of the space, mm")
    trial_maps = traits.Dict(desc="maps and tables of single trials, by label")
    regions_file = File(exists=True, desc="fit of the mean series of regions (npz), with an atlas")


class FitGLM(SimpleInterface):
    """Fit a design to all voxels of a run.

    Single trials are estimated in the same step, so that the series is read only once.

    See Also
    --------
    boldglm.glm.fit : Fits arrays.
    EstimateContrasts : Computes contrasts of the fit.

    Notes
    -----
    LSA is by Rissman et al. [1]_, LSS by Mumford et al. [2]_

    References
    ----------
    .. [1] Rissman J et al. (2004). NeuroImage 23:752-763.
       https://doi.org/10.1016/j.neuroimage.2004.06.035
    .. [2] Mumford JA et al. (2012). NeuroImage 59:2636-2643.
       https://doi.org/10.1016/j.neuroimage.2011.08.076

    Examples
    --------
    >>> fit = FitGLM(noise_model="ar1", smoothing=5.0)
    >>> fit.inputs.bold_file = "bold.nii.gz"  # doctest: +SKIP
    >>> fit.inputs.design_file = "design.tsv"  # doctest: +SKIP
    >>> fit.run().outputs.fit_file  # doctest: +SKIP
    """

    input_spec = _FitGLMInput
    output_spec = _FitGLMOutput

    def _run_interface(self, runtime):
        inputs, here = self.inputs, Path(runtime.cwd)
        if isdefined(inputs.cache_folder):
            cached = cached_fit(Path(inputs.cache_folder), inputs.cache_key)
            if cached is not None:
                self._results = cached
                return runtime
        mask_file = Path(inputs.mask_file) if isdefined(inputs.mask_file) else None
        design = read_design(Path(inputs.design_file))
        slices = None
        if isdefined(inputs.slice_designs_file):
            slices = SliceDesigns.load(Path(inputs.slice_designs_file))
        is_to_target = isdefined(inputs.smoothing) and inputs.smoothing_type == "isoblurto"
        settings = LoadSettings(
            signal_scaling=inputs.signal_scaling,
            smoothing=inputs.smoothing if isdefined(inputs.smoothing) else None,
            smoothing_type=inputs.smoothing_type,
            basis=linear_model(design.matrix).basis if is_to_target else None,
            n_threads=inputs.n_threads,
            temporary_folder=here,
            memory_limit=inputs.memory_limit,
            meshes=_paths(self.inputs.mesh_files),
            censored=frozenset(design.censored),
            slice_groups=None if slices is None else SliceGroups(slices.axis, slices.groups),
        )
        run = load_run(Path(inputs.bold_file), mask_file, settings)
        run_maps, smoothness = self._fit(run, design, slices, here)
        of_regions, region_notices = self._regions(run, design, here)
        trial_maps, trial_notices = self._trials(run, design, here)
        notices = [*run.notices, *self._missing_maps(run_maps.files)]
        if (not_white := whiteness_warning(run_maps.whiteness, inputs.noise_model)) is not None:
            notices.append(not_white)
        inside, everywhere = run.geometry, run.geometry.unmasked()
        mask = inside.write_map(here, "mask", np.ones(inside.n_voxels), dtype=np.uint8)
        mean = everywhere.write_map(here, "mean", run.mean[everywhere.mask])
        self._results = {
            "fit_file": str(here / "fit.npz"),
            "mask_file": str(mask),
            "mean_file": str(mean),
            "mask_size": run.mask_size,
            "notices": [*notices, *trial_notices, *region_notices],
            "run_maps": {label: str(path) for label, path in run_maps.files.items()},
            "whiteness": run_maps.whiteness,
            "quality": run_maps.quality,
            "smoothness": smoothness,
            "trial_maps": {label: str(path) for label, path in trial_maps.items()},
            **of_regions,
        }
        if isdefined(inputs.cache_folder):
            cache_fit(Path(inputs.cache_folder), inputs.cache_key, self._results)
        return runtime

    def _fit(self, run: MaskedRun, design: Design, slices: SliceDesigns | None, here: Path):
        """Fit the run and write its maps; the fit is released before single trials need memory."""
        noise, n_threads = self.inputs.noise_model, self.inputs.n_threads
        fitted = fit_run(run, design, slices, noise, n_threads)
        write_fit(here / "fit.npz", fitted, run.scale)
        labels = self.inputs.maps if isdefined(self.inputs.maps) else []
        maps = write_run_maps(run, fitted, design, labels, here)
        parts = run.geometry.with_meshes(_paths(self.inputs.mesh_files)).domains()
        smoothness = {
            name: {**widths, **run.applied_smoothing.get(name, {})}
            for name, widths in measure_smoothness(
                in_voxel_order(fitted, sampled_residuals(run.bold, fitted)), parts
            ).items()
        }
        return maps, smoothness

    def _regions(self, run: MaskedRun, design: Design, here: Path):
        """Fit the mean series of regions, if there is an atlas; return outputs and notices."""
        if not isdefined(self.inputs.atlas):
            return {}, ()
        atlas = self.inputs.atlas
        regions = load_regions(atlas, run.geometry)
        fitted = fit_regions(run, regions, design, self.inputs.noise_model)
        if fitted is None:
            text = f"all regions of the atlas {atlas.name}: none has {run.geometry.element_name} "
            return {}, (*regions.notices(), exclusion(f"{text}in the mask"))
        path = here / "regions.npz"
        write_fit(path, fitted, np.ones(fitted.n_voxels))
        return {"regions_file": str(path)}, regions.notices()

    def _missing_maps(self, run_maps: dict[str, Path]) -> list[Notice]:
        """Return an exclusion for each map that was requested but that the fit cannot have."""
        labels = self.inputs.maps if isdefined(self.inputs.maps) else []
        reasons = {
            "ar": f"the noise model {self.inputs.noise_model} has no coefficients",
            "taskrsquared": "the design has no conditions",
        }
        return [
            exclusion(f"map {label}: {reason}")
            for label, reason in reasons.items()
            if label in labels and label not in run_maps
        ]

    def _trials(self, run: MaskedRun, design: Design, here: Path):
        """Estimate single trials, if they were requested."""
        if not isdefined(self.inputs.single_trials):
            return {}, ()
        settings = TrialSettings(
            self.inputs.single_trials, self.inputs.hrf_model, self.inputs.noise_model
        )
        events = read_events(Path(self.inputs.events_file), self.inputs.trial_type_column)
        return write_single_trials(run, events, design, settings, here)


def _paths(trait) -> tuple[Path, ...]:
    return tuple(Path(path) for path in trait) if isdefined(trait) else ()


class _EstimateContrastsInput(BaseInterfaceInputSpec):
    fit_file = File(exists=True, mandatory=True, desc="fit from FitGLM")
    mask_file = File(exists=True, mandatory=True, desc="analyzed voxels, from FitGLM")
    mean_file = File(exists=True, mandatory=True, desc="mean image, from FitGLM")
    mesh_files = InputMultiPath(File(exists=True), desc="surface meshes to draw on")
    design_file = File(
        exists=True,
        desc="design, to warn of contrasts that orthogonalization gives other meanings",
    )
    contrasts = traits.List(
        traits.Any,
        mandatory=True,
        desc="expressions ('faces - houses', 'name = a, b'), or contrasts of a model: "
        "dictionaries of Name, ConditionList, Weights and Test, or ContrastSpec",
    )
    notices = traits.List(traits.Any, desc="notices of earlier steps")
    run_maps = traits.Dict(desc="from FitGLM, for the result")
    whiteness = traits.Dict(desc="from FitGLM, for the result")
    quality = traits.Dict(desc="from FitGLM, for the result")
    smoothness = traits.Dict(desc="from FitGLM, for the result")
    trial_maps = traits.Dict(desc="from FitGLM, for the result")
    atlas = traits.Instance(Atlas, desc="as for FitGLM")
    regions_file = File(exists=True, desc="from FitGLM, to test contrasts in the regions of atlas")
    mask_size = traits.Dict(desc="from FitGLM, for the result")
    maps = traits.List(
        traits.Enum(*RUN_MAPS),
        desc="as for FitGLM; this interface writes dof, which depends on contrasts",
    )
    explain = traits.List(
        traits.Str,
        desc="pairs of regressors ('B ~ A') whose estimates are compared for the report, beside "
        "the two conditions that correlate most; needs design_file",
    )


class ResultOutput(TraitedSpec):
    """Outputs of every interface that writes the maps of contrasts."""

    result_file = File(exists=True, desc="JSON that lists the contrasts and their maps")
    map_files = OutputMultiPath(
        File(exists=True), desc="all maps, images and tables of the result"
    )
    effect_files = OutputMultiPath(File(exists=True), desc="effect map of each t contrast")
    variance_files = OutputMultiPath(File(exists=True), desc="map of the variance of each effect")
    stat_files = OutputMultiPath(File(exists=True), desc="t or F map of each contrast")
    z_files = OutputMultiPath(File(exists=True), desc="z map of each contrast")


class EstimateContrasts(SimpleInterface):
    """Compute the maps of all contrasts from a fit, without the data.

    Examples
    --------
    >>> estimate = EstimateContrasts(contrasts=["faces - houses", "any = faces, houses"])
    """

    input_spec = _EstimateContrastsInput
    output_spec = ResultOutput

    def _run_interface(self, runtime):
        fitted, scale = read_fit(Path(self.inputs.fit_file))
        contrasts = [
            ContrastSpec.from_dict(contrast) if isinstance(contrast, dict) else contrast
            for contrast in self.inputs.contrasts
        ]
        result = estimate_contrasts(
            fitted,
            scale,
            contrasts,
            Path(self.inputs.mask_file),
            Path(self.inputs.mean_file),
            Path(runtime.cwd),
            from_pairs(self.inputs.notices) if isdefined(self.inputs.notices) else (),
            self._shared(),
        )
        maps = {**self._dict("run_maps"), **self._dict("trial_maps")}
        run_maps = {label: Path(path) for label, path in maps.items()}
        if isdefined(self.inputs.maps) and "dof" in self.inputs.maps:
            run_maps["dof"] = write_minimum_dof(result, Path(runtime.cwd))
        result = replace(
            result,
            maps=run_maps,
            whiteness=self._dict("whiteness"),
            quality=self._dict("quality"),
            smoothness=self._dict("smoothness"),
            mask_size=self._dict("mask_size"),
            meshes=_paths(self.inputs.mesh_files),
            regions=self._regions(contrasts, result, Path(runtime.cwd)),
            pairs=self._pairs(fitted, scale),
        )
        self._results = result_files(result, Path(runtime.cwd))
        return runtime

    def _regions(self, contrasts: list, result: NodeResult, here: Path) -> RegionFiles | None:
        """Test the contrasts in the regions of the atlas, if there is one."""
        if not isdefined(self.inputs.atlas):
            return None
        fitted: Fit | None = None  # no region has voxels
        if isdefined(self.inputs.regions_file):
            loaded, _ = read_fit(Path(self.inputs.regions_file))
            assert isinstance(loaded, Fit)  # FitGLM fits mean series with one design
            fitted = loaded
        geometry = read_geometry(Path(self.inputs.mask_file))
        regions = load_regions(self.inputs.atlas, geometry)
        return estimate_regions(fitted, regions, contrasts, result, geometry, here)

    def _shared(self) -> SharedVariance:
        path = self.inputs.design_file
        return read_design(Path(path)).shared if isdefined(path) else ()

    def _pairs(self, fitted: RunFit, scale: np.ndarray) -> tuple[MeasuredPair, ...]:
        """Compare the estimates of correlated regressors, if the design is known."""
        if not isdefined(self.inputs.design_file):
            return ()
        design = read_design(Path(self.inputs.design_file))
        requested = self.inputs.explain if isdefined(self.inputs.explain) else ()
        pairs = explained_pairs(design, requested)
        return tuple(measure_pair(fitted, scale, design, pair) for pair in pairs)

    def _dict(self, name: str) -> dict:
        value = getattr(self.inputs, name)
        return value if isdefined(value) else {}


def result_files(result: NodeResult, folder: Path) -> dict:
    """Write a result as JSON and return the outputs of an interface that made it."""
    path = folder / "result.json"
    write_json(path, result.to_dict())
    outputs = {"effect": "effect_files", "variance": "variance_files", "z": "z_files"}
    by_label = {
        output: [str(contrast.maps[label]) for contrast in result.contrasts
                 if label in contrast.maps]
        for label, output in outputs.items()
    }  # fmt: skip
    stats = [
        str(contrast.maps[contrast.statistic])
        for contrast in result.contrasts
        if contrast.statistic in contrast.maps
    ]
    files = [file for contrast in result.contrasts for file in contrast.maps.values()]
    files += [file for file in (result.mask, result.mean) if file.parent == folder]
    files += result.maps.values()
    files += result.regions.files if result.regions else ()
    for contrast in result.contrasts:
        if contrast.table is not None:
            files += [contrast.table, contrast.table.with_suffix(".json")]
    return {
        "result_file": str(path),
        "map_files": [str(file) for file in files],
        "stat_files": stats,
        **by_label,
    }
