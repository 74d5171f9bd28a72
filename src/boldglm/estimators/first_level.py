"""`FirstLevel`: the model of one participant's runs, from BOLD images to contrast images."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from boldglm.analysis.first_level.contrast_maps import estimate_contrasts
from boldglm.analysis.first_level.event_design import RunTiming
from boldglm.analysis.first_level.regions import estimate_regions, fit_regions
from boldglm.analysis.first_level.run_maps import measure_quality
from boldglm.analysis.first_level.run_quality import RunQuality, motion_warning, quality_of_run
from boldglm.analysis.first_level.slices import RunFit, fit_run
from boldglm.analysis.higher_levels.node_fits import NodeFits, fit_node
from boldglm.analysis.model.confound_strategies import ConfoundRequest, drift_with_confounds
from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.analysis.model.model import Model, parse_model
from boldglm.analysis.plan.run_plans import RunDesign, RunRead, design_of_run
from boldglm.analysis.plan.slice_designs import with_slice_designs
from boldglm.analysis.plan.slice_times import SliceTimes, slice_times_of_run
from boldglm.analysis.plan.timing import RunMetadata, TimingOptions, run_timing
from boldglm.errors import BadDataError
from boldglm.estimators.contrast_images import ContrastImages, image_ending_of
from boldglm.estimators.parameters import NotFittedError, Parameters
from boldglm.glm import Design, Fit
from boldglm.glm.design.linear_model import linear_model
from boldglm.glm.first_level.contrasts import MissingRegressorError, contrast_weights
from boldglm.io.bids.atlas import Atlas, Regions, load_regions
from boldglm.io.bids.confounds_table import ConfoundsTable, read_confounds
from boldglm.io.bids.events import read_events
from boldglm.io.bids.run_inputs import RunInputs
from boldglm.io.files.json_files import load_json
from boldglm.io.images.bold_series import LoadSettings, MaskedRun, load_run
from boldglm.io.images.formats import load_in_memory, read_bold_header
from boldglm.io.images.geometry import BoldHeader, Geometry
from boldglm.io.images.slices import SliceGroups
from boldglm.io.outputs.design_files import write_design
from boldglm.io.outputs.records import NodeResult
from boldglm.notices import Notice
from boldglm.stats_model.specification import ContrastSpec
from boldglm.vocabulary import (
    DRIFT,
    HIGH_PASS,
    HRF_MODEL,
    MISSING_POLICY,
    NOISE_MODEL,
    SIGNAL_SCALING,
    SLICE_TIMES,
    SMOOTHING_TYPE,
)


@dataclass(frozen=True, eq=False)
class FittedRun:
    """What is kept of one run: enough for any contrast, without the series."""

    name: str
    design: Design
    before: Design  # before orthogonalization
    fit: RunFit
    scale: np.ndarray
    geometry: Geometry
    mean: np.ndarray
    meshes: tuple[Path, ...]
    notices: tuple[Notice, ...]
    regions: Regions | None = None
    region_fit: Fit | None = None  # of their mean series; None if none has voxels
    motion: RunQuality = field(default_factory=RunQuality)
    quality: Mapping[str, Any] = field(default_factory=dict)  # from `measure_quality`


class FirstLevel(Parameters):
    """General linear model of the runs of one participant, from images to images.

    The numbers are those of the command line with the same options, to the last bit: volumes
    (NIfTI), surfaces (GIFTI) and grayordinates (CIFTI) alike. Parameters are stored unchanged, as
    in scikit-learn; the work begins with `fit`.

    Parameters
    ----------
    conditions : sequence of str, optional
        Trial types to model; all of them by default.
    hrf_model : str
        One of `boldglm.glm.HRF_MODELS`.
    fir_delays : sequence of float, optional
        Start of each bin in seconds, for ``hrf_model="fir"``.
    high_pass : float or None
        Cut-off period of the cosine drift in seconds; None for no cosines.
    noise_model : str
        One of `boldglm.glm.NOISE_MODELS`.
    signal_scaling : {"percent", "none"}
        Unit of the effects: percent of each voxel's mean, or that of the file.
    smoothing : float, optional
        Full width at half maximum of a Gaussian in mm.
    smoothing_type : {"iso", "isoblurto"}
        Whether `smoothing` is the width of the Gaussian, or the smoothness of the residuals that
        it is to reach.
    modulate : sequence of str
        Parametric modulators such as ``"response_time @ go"``.
    orthogonalize : sequence of str
        Rules such as ``"houses ~ faces"``.
    confounds : sequence of str, optional
        Strategies or columns of the confounds tables, as for ``--confounds``. By default six
        motion parameters and fMRIPrep's cosines, where a table is given.
    fd_threshold : float, optional
        Framewise displacement in mm above which volumes are censored.
    dummy_scans : int, optional
        Number of volumes to censor at the start of each run. By default those that the confounds
        table marks as not in a steady state.
    repetition_time : float, optional
        In seconds. By default from the JSON sidecar beside the image (``RepetitionTime``, or
        ``VolumeTiming`` for sparse acquisition), else from its header.
    start_time : float, optional
        Time at which the first volume is modeled, in seconds. By default ``StartTime`` of the
        sidecar beside the image, else by `slice_time_reference`.
    slice_time_reference : float, optional
        Fraction of the acquisition of a volume at which it is modeled, from 0 (its beginning, as
        in nilearn by default) to 1. By default .5, the middle, as on the command line. The
        acquisition lasts as ``SliceTiming`` of the sidecar says, else one repetition time.
    slice_times : {"reference", "model"}
        Whether all slices of a volume are modeled at that time, or each at its own. The latter
        needs raw volumes and ``SliceTiming`` in the sidecar beside the image.
    drift : str
        Model of slow drift, as for ``--drift``: ``"cosine"``, ``"polynomial:ORDER"``,
        ``"polynomial"`` (of an order that grows with the length of the run) or ``"none"``.
    n_threads : int
        Blocks of voxels that are fitted at a time.
    atlas : path, sequence of paths, or Atlas, optional
        Atlas whose regions `regions` tests: an image of labels on the grid of the series, and
        its table (columns index and name), by default looked for beside it.

    Attributes
    ----------
    designs_ : tuple of Design
        The design of each run, after orthogonalization.
    fits_ : tuple of Fit
        The fit of each run, on arrays; with ``slice_times="model"``, a `SliceFit`.
    masks_ : tuple of nibabel image
        The analyzed voxels of each run.
    notices_ : tuple of Notice
        Exclusions and warnings of all runs.

    See Also
    --------
    boldglm.SecondLevel : The model over participants.
    boldglm.glm.fit : The same fit on arrays.

    Examples
    --------
    >>> import tempfile
    >>> from boldglm import FirstLevel
    >>> from boldglm.demo.dataset import DatasetPlan, write_dataset
    >>> folder = tempfile.TemporaryDirectory()
    >>> data = write_dataset(Path(folder.name) / "bids", DatasetPlan(n_scans=60, shape=(8, 8, 6)))
    >>> stem = str(data / "sub-01/func/sub-01_task-cuetarget_run-1_")
    >>> model = FirstLevel(noise_model="ols")
    >>> model.fit(stem + "bold.nii.gz", stem + "events.tsv")
    FirstLevel(noise_model='ols')
    >>> images = model.contrast("cue - target")
    >>> images.t.shape, images.dof
    ((8, 8, 6), 56.0)
    >>> folder.cleanup()
    """

    def __init__(
        self,
        *,
        conditions: Sequence[str] | None = None,
        hrf_model: str = HRF_MODEL,
        fir_delays: Sequence[float] | None = None,
        high_pass: float | None = HIGH_PASS,
        noise_model: str = NOISE_MODEL,
        signal_scaling: str = SIGNAL_SCALING,
        smoothing: float | None = None,
        smoothing_type: str = SMOOTHING_TYPE,
        modulate: Sequence[str] = (),
        orthogonalize: Sequence[str] = (),
        confounds: Sequence[str] | None = None,
        fd_threshold: float | None = None,
        dummy_scans: int | None = None,
        repetition_time: float | None = None,
        start_time: float | None = None,
        slice_time_reference: float | None = None,
        slice_times: str = SLICE_TIMES[0],
        drift: str = DRIFT,
        n_threads: int = 1,
        atlas: Any = None,
    ) -> None:
        self.conditions = conditions
        self.hrf_model = hrf_model
        self.fir_delays = fir_delays
        self.high_pass = high_pass
        self.drift = drift
        self.noise_model = noise_model
        self.signal_scaling = signal_scaling
        self.smoothing = smoothing
        self.smoothing_type = smoothing_type
        self.modulate = modulate
        self.orthogonalize = orthogonalize
        self.confounds = confounds
        self.fd_threshold = fd_threshold
        self.dummy_scans = dummy_scans
        self.repetition_time = repetition_time
        self.start_time = start_time
        self.slice_time_reference = slice_time_reference
        self.slice_times = slice_times
        self.n_threads = n_threads
        self.atlas = atlas

    def fit(
        self,
        bold: Any,
        events: Any,
        confounds: Any = None,
        *,
        mask: Any = None,
        meshes: Sequence[Any] = (),
    ) -> Self:
        """Fit the model to one run or several runs of a participant.

        Parameters
        ----------
        bold : path, nibabel image, or list of these
            The BOLD series of each run.
        events : path, DataFrame, mapping, or list of these
            The events of each run: columns onset and duration (seconds) and trial_type.
        confounds : path, DataFrame, or list of these, optional
            The confounds table of each run, one row a volume.
        mask : path, nibabel image, or list of these, optional
            Voxels to analyze: one mask for all runs, or one for each. By default computed from
            the mean image of each run.
        meshes : sequence of path
            Surfaces of the cortex to smooth along and to draw on.

        Returns
        -------
        FirstLevel
            The estimator itself.

        Raises
        ------
        ValueError
            If there are not as many events, confounds or masks as runs.
        BoldglmError
            If a file cannot be read or analyzed; the message names the file and the remedy.
        """
        runs = _as_list(bold)
        tables = _one_a_run(events, len(runs), "events")
        confound_tables = _one_a_run(confounds, len(runs), "confounds")
        masks = [mask] * len(runs) if not isinstance(mask, list | tuple) else list(mask)
        masks = _one_a_run(masks, len(runs), "masks")
        paths = tuple(Path(mesh) for mesh in meshes)
        with tempfile.TemporaryDirectory(prefix="boldglm-") as name:
            folder = Path(name)
            reads = [
                self._read(number, *files, paths, folder)
                for number, files in enumerate(
                    zip(runs, tables, confound_tables, masks, strict=True), start=1
                )
            ]
            self.model_ = self._model(reads)
            fitted = [self._fit_run(read, self.model_, folder) for read in reads]
        self._runs = tuple(fitted)
        self.designs_ = tuple(run.design for run in fitted)
        self.fits_ = tuple(run.fit for run in fitted)
        self.notices_ = tuple(notice.about(run.name) for run in fitted for notice in run.notices)
        self.masks_ = tuple(self._masks())
        return self

    def contrast(
        self, contrast: str | Mapping[str, Any] | Any, name: str | None = None
    ) -> ContrastImages:
        """Estimate a contrast; several runs are combined by fixed effects.

        Parameters
        ----------
        contrast : str, mapping of str to float, or array_like
            As for `boldglm.glm.Fit.contrast`: ``"faces - houses"``, ``"any = faces, houses"``
            (F), a mapping from regressors to weights, or weights in the order of the first
            run's regressors.
        name : str, optional
            Name of the contrast; by default as written.

        Returns
        -------
        ContrastImages
            Effect, variance, t or F, z and p as nibabel images.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If the contrast names no regressor of any run, cannot be estimated, or is an F
            contrast over several runs, which fixed effects do not combine.
        """
        self._check_fitted()
        written = self.model_contrast(contrast, name)
        with tempfile.TemporaryDirectory(prefix="boldglm-") as folder:
            result = self._result_over_runs(written, Path(folder))
            return ContrastImages.of(result.contrasts[0], result)

    def _result_over_runs(self, contrast: ContrastSpec, folder: Path) -> NodeResult:
        """Estimate a contrast in all runs, and combine several of them."""
        results = self.run_results([contrast], folder)
        if not any(result.contrasts for result in results):
            reasons = "; ".join(str(notice) for run in results for notice in run.notices)
            raise ValueError(f"{contrast.name!r} cannot be estimated: {reasons}.")
        if len(results) == 1:
            return results[0]
        if contrast.test == "F":
            raise ValueError(
                f"{contrast.name!r} is an F contrast, and fixed effects over {len(results)} "
                "runs combine t contrasts only. Test its rows one by one, or fit one run."
            )
        return self.combined_result(results, folder)

    def regions(self, contrast: str | Mapping[str, Any] | Any, name: str | None = None) -> Any:
        """Test a contrast in the regions of the atlas; runs are combined by fixed effects.

        In each run, the mean series of a region is fitted with the design and noise model of the
        run.

        Parameters
        ----------
        contrast, name
            As for `contrast`.

        Returns
        -------
        pandas.DataFrame
            One row for each region, with the columns of the tables of ``--atlas``.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If there is no atlas, or as for `contrast`.
        """
        import pandas as pd

        self._check_fitted()
        if self._runs[0].regions is None:
            raise ValueError("regions need an atlas: FirstLevel(atlas=...).")
        written = self.model_contrast(contrast, name)
        with tempfile.TemporaryDirectory(prefix="boldglm-") as folder:
            result = self._result_over_runs(written, Path(folder))
            assert result.regions is not None
            return pd.read_csv(result.regions.table, sep="\t", na_values="n/a")

    def report(
        self,
        path: str | Path,
        contrasts: Sequence[Any] | None = None,
        title: str = "First level",
        explain: Sequence[str] = (),
    ) -> Path:
        """Write a self-contained HTML report: designs, collinearity and maps.

        Parameters
        ----------
        path : path
            The HTML file.
        contrasts : sequence of contrasts, optional
            As for `contrast`; by default every condition against baseline.
        title : str
            Heading.
        explain : sequence of str
            Pairs of regressors, such as ``"B ~ A"``, that the report of each run explains: what
            they share, and their estimates without one of them, with both, and with B
            orthogonalized. The two conditions that correlate most, above .3, are explained anyway.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If a run has no such pair.
        """
        from boldglm.estimators.reports import write_first_level_report

        self._check_fitted()
        return write_first_level_report(self, Path(path), contrasts, title, explain)

    def _check_fitted(self) -> None:
        if not hasattr(self, "_runs"):
            raise NotFittedError(
                "This FirstLevel is not fitted yet: call fit(bold, events) first."
            )

    def _read(
        self,
        number: int,
        bold: Any,
        events: Any,
        confounds: Any,
        mask: Any,
        meshes: tuple[Path, ...],
        folder: Path,
    ) -> RunRead:
        """Read the header, events and confounds of a run; arrays and tables become files."""
        here = folder / f"run-{number}"
        here.mkdir()
        bold_file = _as_image_file(bold, here, "bold")
        header = read_bold_header(bold_file)
        events_file = _as_table_file(events, here / "events.tsv")
        table: ConfoundsTable | None = None
        if confounds is not None:
            table = read_confounds(_as_table_file(confounds, here / "confounds.tsv"))
        timing, notices, slices = self._timing(bold_file, header)
        inputs = RunInputs(
            bold=bold_file,
            events=events_file,
            entities={"sub": "01", "task": "task", "run": str(number)},
            repetition_time=timing.repetition_time,
            start_time=timing.start_time,
            volume_timing=timing.volume_timing,
            n_scans=header.n_scans,
            sources=(),
            mask=None if mask is None else _as_image_file(mask, here, "mask"),
            meshes=meshes,
        )
        return RunRead(inputs, header, read_events(events_file), {}, table, notices, slices)

    def _timing(
        self, bold_file: Path, header: BoldHeader
    ) -> tuple[RunTiming, tuple[Notice, ...], SliceTimes | None]:
        """Return the times of volumes and slices from parameters, sidecar and header."""
        path = bold_file.with_name(bold_file.name.split(".", 1)[0] + ".json")
        metadata = load_json(path) if path.is_file() else {}
        if self.start_time is not None:
            metadata = {**metadata, "StartTime": self.start_time}
        in_sidecar = {"RepetitionTime", "VolumeTiming"} & set(metadata)
        seconds = self.repetition_time or ("sidecar" if in_sidecar else "header")
        if seconds == "header" and not header.repetition_time:
            raise BadDataError(
                f"{bold_file.name} has no repetition time in a JSON sidecar beside it or in its "
                "header. Give repetition_time in seconds."
            )
        run = RunMetadata(bold_file.name, metadata, header.n_scans, header.repetition_time)
        options = TimingOptions(seconds, self.slice_time_reference, self.slice_times)
        timing, notices = run_timing(run, options)
        if not options.models_slices:
            return timing, notices, None
        slices = slice_times_of_run(bold_file.name, metadata, header, timing.shortest_spacing)
        return timing, (slices.notice(timing),), slices

    def _model(self, reads: Sequence[RunRead]) -> Model:
        """Build the default model of these runs, as the command line does."""
        request = ConfoundRequest(
            strategies=None if self.confounds is None else tuple(self.confounds),
            fd_threshold=self.fd_threshold,
            dummy_scans=self.dummy_scans,
            drift_is_requested=self.high_pass != HIGH_PASS or self.drift != DRIFT,
        )
        confounds = request.settings([read.table for read in reads if read.table])
        drift, high_pass = drift_with_confounds(
            confounds.columns,
            self.drift,
            self.high_pass,
            is_requested=request.drift_is_requested,
        )
        options = DefaultModelOptions(
            conditions=None if self.conditions is None else tuple(self.conditions),
            hrf_model=self.hrf_model,
            fir_delays=None if self.fir_delays is None else tuple(self.fir_delays),
            modulate=tuple(self.modulate),
            orthogonalize=tuple(self.orthogonalize),
            confounds=confounds,
            drift=drift,
            high_pass=high_pass,
            noise_model=self.noise_model,
            signal_scaling=self.signal_scaling,
            smoothing=self.smoothing,
            smoothing_type=self.smoothing_type,
        )
        conditions = [read.events.conditions for read in reads if read.events]
        content = default_model(
            "task",
            sorted({name for names in conditions for name in names}),
            reads[0].inputs.repetition_time,
            options,
            runs=conditions,
        )
        return parse_model(content)

    def _fit_run(self, read: RunRead, model: Model, folder: Path) -> FittedRun:
        def build(run: RunRead) -> RunDesign:
            return design_of_run(run, model, (), MISSING_POLICY)

        made = with_slice_designs(build(read), build)
        run = self._load(read, made, model, folder)
        fitted = fit_run(run, made.design, made.slices, model.noise_model, self.n_threads)
        everywhere = run.geometry.unmasked()
        regions, region_fit = self._fit_regions(run, made, model)
        motion = quality_of_run(read.table, made.design)
        moving = motion_warning(motion)
        return FittedRun(
            read.inputs.bold.name,
            made.design,
            made.before or made.design,
            fitted,
            run.scale,
            run.geometry,
            run.mean[everywhere.mask],
            read.inputs.meshes,
            (
                *made.notices,
                *((moving,) if moving else ()),
                *run.notices,
                *(regions.notices() if regions else ()),
            ),
            regions,
            region_fit,
            motion,
            measure_quality(run, fitted)[1],
        )

    def _fit_regions(
        self, run: MaskedRun, made: RunDesign, model: Model
    ) -> tuple[Regions | None, Fit | None]:
        """Fit the mean series of the regions of the atlas, if there is one."""
        atlas = self._atlas()
        if atlas is None:
            return None, None
        if made.slices is not None:
            raise ValueError(
                "regions span slices, so atlas cannot be combined with slice_times='model'. Leave "
                "out one of them."
            )
        regions = load_regions(atlas, run.geometry)
        return regions, fit_regions(run, regions, made.design, model.noise_model)

    def _atlas(self) -> Atlas | None:
        if self.atlas is None or isinstance(self.atlas, Atlas):
            return self.atlas
        image, *tables = map(Path, _as_list(self.atlas))
        return Atlas.of(image, *tables)

    def _load(self, read: RunRead, made: RunDesign, model: Model, folder: Path) -> MaskedRun:
        is_to_target = model.smoothing is not None and model.smoothing_type == "isoblurto"
        slices = made.slices
        settings = LoadSettings(
            signal_scaling=model.signal_scaling,
            smoothing=model.smoothing,
            smoothing_type=model.smoothing_type,
            basis=linear_model(made.design.matrix).basis if is_to_target else None,
            n_threads=self.n_threads,
            temporary_folder=folder,
            meshes=read.inputs.meshes,
            censored=frozenset(made.design.censored),
            slice_groups=None if slices is None else SliceGroups(slices.axis, slices.groups),
        )
        return load_run(read.inputs.bold, read.inputs.mask, settings)

    def _masks(self) -> Iterator[Any]:
        with tempfile.TemporaryDirectory(prefix="boldglm-") as name:
            for run in self._runs:
                ones = np.ones(run.geometry.n_voxels)
                path = run.geometry.write_map(Path(name), "mask", ones, dtype=np.uint8)
                yield load_in_memory(path)

    def run_results(self, contrasts: Sequence[ContrastSpec], folder: Path) -> list[NodeResult]:
        """Write the maps of contrasts for each run.

        Parameters
        ----------
        contrasts : sequence of ContrastSpec
            As `model_contrast` returns them.
        folder : Path
            Where a folder for each run is made.

        Returns
        -------
        list of NodeResult
            One a run.
        """
        results = []
        for number, run in enumerate(self._runs, start=1):
            here = folder / f"run-{number}"
            here.mkdir()
            ones = np.ones(run.geometry.n_voxels)
            mask = run.geometry.write_map(here, "mask", ones, dtype=np.uint8)
            mean = run.geometry.unmasked().write_map(here, "mean", run.mean)
            result = estimate_contrasts(
                run.fit, run.scale, contrasts, mask, mean, here, run.notices, run.design.shared
            )
            if run.regions is not None:
                files = estimate_regions(
                    run.region_fit, run.regions, contrasts, result, run.geometry, here
                )
                result = replace(result, regions=files)
            results.append(replace(result, meshes=run.meshes, quality=run.quality))
        return results

    def combined_result(self, results: Sequence[NodeResult], folder: Path) -> NodeResult:
        """Combine the t contrasts of several runs by fixed effects.

        Parameters
        ----------
        results : sequence of NodeResult
            What `run_results` returned.
        folder : Path
            Where the maps go, in a folder of their own.

        Returns
        -------
        NodeResult
            The maps over runs.
        """
        together = folder / "combined"
        together.mkdir()
        names = [[each.name for each in run.contrasts if each.test == "t"] for run in results]
        fits = NodeFits.of_means(names, [run.name for run in self._runs], method="fixed")
        regions = self._runs[0].regions
        fits = fits if regions is None else replace(fits, atlas=regions.atlas)
        return fit_node(results, fits, together)

    def model_contrast(self, contrast: Any, name: str | None = None) -> ContrastSpec:
        """Write a contrast as a BIDS Stats Model does, by regressors: the runs may differ.

        Parameters
        ----------
        contrast, name
            As for `contrast`.

        Returns
        -------
        ContrastSpec
            The weights by regressor.

        Raises
        ------
        ValueError
            If no run has its regressors.
        """
        error: ValueError | None = None
        for run in self._runs:
            names = run.design.names
            try:
                label, weights = contrast_weights(contrast, names, name)
            except (MissingRegressorError, ValueError) as refused:
                error = error or refused
                continue
            rows = np.atleast_2d(weights)
            used = np.flatnonzero(rows.any(axis=0))
            return ContrastSpec(
                label,
                tuple(names[column] for column in used),
                tuple(map(tuple, rows[:, used].tolist())),
                "F" if np.ndim(weights) == 2 else "t",
            )
        assert error is not None
        raise error

    @property
    def runs_(self) -> tuple[FittedRun, ...]:
        """What is kept of each run."""
        self._check_fitted()
        return self._runs

    def write_designs(self, folder: str | Path) -> list[Path]:
        """Write the design of each run as TSV with a JSON sidecar.

        Parameters
        ----------
        folder : path
            An existing folder.

        Returns
        -------
        list of Path
            One TSV file a run.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        self._check_fitted()
        paths = [Path(folder) / f"run-{number}_design.tsv"
                 for number in range(1, len(self._runs) + 1)]  # fmt: skip
        for path, run in zip(paths, self._runs, strict=True):
            write_design(run.design, path, {})
        return paths


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _one_a_run(value: Any, n_runs: int, noun: str) -> list[Any]:
    if value is None:
        return [None] * n_runs
    values = _as_list(value)
    if len(values) != n_runs:
        raise ValueError(
            f"there are {n_runs} BOLD series but {len(values)} {noun}: give one each."
        )
    return values


def _as_image_file(image: Any, folder: Path, stem: str) -> Path:
    if isinstance(image, str | Path):
        return Path(image)
    ending = image_ending_of(image)
    if stem == "bold":
        ending = {".shape.gii": ".func.gii", ".dscalar.nii": ".dtseries.nii"}.get(ending, ending)
    path = folder / f"{stem}{ending}"
    image.to_filename(path)
    return path


def _as_table_file(table: Any, path: Path) -> Path:
    """Return the file of a table; a DataFrame or mapping is written as BIDS writes tables."""
    if isinstance(table, str | Path):
        return Path(table)
    import pandas as pd

    pd.DataFrame(table).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path
