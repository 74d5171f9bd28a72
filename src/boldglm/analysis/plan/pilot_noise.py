"""The noise of finished runs, as the power of a plan needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import chdtri

from boldglm.errors import BadDataError, MissingInputError, UsageError
from boldglm.glm.arrays.types import FloatArray
from boldglm.glm.design.summaries import counted, listed
from boldglm.glm.second_level.fixed_effects import combine_fixed_effects
from boldglm.glm.second_level.power_simulation import DesignOfRun
from boldglm.io.files.json_files import load_json
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.design_files import read_design
from boldglm.io.outputs.names import ResultPaths
from boldglm.io.outputs.records import ContrastMaps, Record, record_files
from boldglm.suggestions import list_known
from boldglm.vocabulary import SIGNAL_SCALING

LEAST_PARTICIPANTS = 3  # of a pilot that tells how participants differ
OF_RUNS = ("sub", "ses", "run")  # entities that runs of one kind differ in


@dataclass(frozen=True)
class ContrastNoise:
    """What limits the precision of a contrast.

    Parameters
    ----------
    noise_sd : float
        Standard deviation of white noise that would give the contrast its variance in a run.
    between_sd : float or None
        Standard deviation of its true effects over participants; None if that is not known.
    """

    noise_sd: float
    between_sd: float | None


@dataclass(frozen=True)
class Pilot:
    """Finished runs of a folder.

    Parameters
    ----------
    folder : Path
        The folder.
    runs : tuple of Record
        Records of the runs.
    mask : Path or None
        Image of the voxels that count; by default all that were analyzed.
    """

    folder: Path
    runs: tuple[Record, ...]
    mask: Path | None = None

    @classmethod
    def read(
        cls,
        folder: Path,
        model: str,
        entities: Mapping[str, str],
        scaling: str,
        mask: Path | None = None,
    ) -> "Pilot":
        """Find the runs of a folder that were fitted like those of a plan.

        Parameters
        ----------
        folder : Path
            Output folder of boldglm.
        model : str
            Name of the model of the plan; one of another name is taken if it is the only one.
        entities : mapping of str to str
            Entities of a run of the plan: of several tasks or spaces, these are taken.
        scaling : str
            What the effects of the plan are scaled to.
        mask : Path, optional
            As for `Pilot`.

        Raises
        ------
        MissingInputError
            If there are none.
        UsageError
            If there are several kinds, and none like that of the plan, or their effects have
            another unit.
        """
        root = folder.resolve()
        paths = {path: Record.read(path, root) for path in record_files(root)}
        runs = {path: one for path, one in paths.items() if one.level == "run"}
        if not runs:
            raise MissingInputError(
                f"{folder} has no results of runs that tell the noise. Name the results of a "
                "pilot with --pilot, or give --noise-sd and --between-sd."
            )
        runs = _chosen(runs, {path: one.model for path, one in runs.items()}, model, "models")
        kinds = {path: _kind(record.entities) for path, record in runs.items()}
        runs = _chosen(runs, kinds, _kind(entities), "kinds of runs")
        first = next(iter(runs))
        unit = load_json(first).get("SignalScaling", SIGNAL_SCALING)
        if unit != scaling:
            raise UsageError(
                f"The effects in {folder} have --signal-scaling {unit}, and those of the plan "
                f"{scaling}. Plan with --signal-scaling {unit}, or name other results (--pilot)."
            )
        return cls(root, tuple(runs.values()), mask)

    @property
    def participants(self) -> dict[str, list[Record]]:
        """The runs of each participant."""
        by_subject: dict[str, list[Record]] = {}
        for record in self.runs:
            by_subject.setdefault(record.entities["sub"], []).append(record)
        return by_subject

    def has(self, contrast: str) -> bool:
        """Tell whether some run has the maps of a t contrast."""
        return any(self._maps(run, contrast) for run in self.runs)

    def noise_of(self, contrast: str) -> ContrastNoise:
        """Return the noise of a contrast.

        Parameters
        ----------
        contrast : str
            Name of a t contrast.

        Raises
        ------
        UsageError
            If no run of the pilot has it.
        BadDataError
            If its maps lie on another grid than the mask.

        Notes
        -----
        The variance v of the contrast in a run is σ² u, where u is that of its design for noise
        of standard deviation 1: σ² is the median of v / u over voxels, averaged over runs. So
        autocorrelation counts, as far as it matters to this contrast. Effects of participants
        have the variance τ² + v. Over voxels, the median of the observed variance, divided by
        that of its chi-square distribution, less the median of v, is τ².
        """
        having = [run for run in self.runs if self._maps(run, contrast)]
        if not having:
            known = {maps.name for run in self.runs for maps in run.result.contrasts}
            raise UsageError(
                f"The results in {self.folder} have no contrast {contrast!r}, so that its noise "
                f"is not known.{list_known(contrast, sorted(known))} Choose contrasts with --of, "
                "or give --noise-sd and --between-sd."
            )
        squares = [self._noise_variance(run, contrast) for run in having]
        return ContrastNoise(float(np.sqrt(np.mean(squares))), self._between_sd(contrast))

    def _maps(self, run: Record, contrast: str) -> ContrastMaps | None:
        """Return the maps of a t contrast of a run, if it has them."""
        maps = run.result.contrast(contrast)
        return maps if maps is not None and {"effect", "variance"} <= maps.maps.keys() else None

    def _noise_variance(self, run: Record, contrast: str) -> float:
        maps = self._maps(run, contrast)
        assert maps is not None
        design = read_design(
            ResultPaths.of(self.folder, run.node, run.entities).file("design.tsv")
        )
        weights = np.zeros(design.n_regressors)
        for name, (weight,) in maps.weights.items():
            weights[design.names.index(name)] = weight
        (variance,) = self._geometry(run).read_rows([maps.maps["variance"]])
        used = variance[variance > 0]
        if not used.size:
            raise BadDataError(
                f"{maps.maps['variance'].name} has no variance in the voxels that count. Choose "
                "another --pilot-mask."
            )
        return float(np.median(used)) / DesignOfRun(design.matrix, weights).variance

    def _geometry(self, run: Record) -> Geometry:
        """Return the geometry of a run with the voxels that count."""
        geometry = read_geometry(run.result.mask)
        return geometry if self.mask is None else _within(geometry, self._chosen_voxels, self.mask)

    @cached_property
    def _chosen_voxels(self) -> Geometry:
        assert self.mask is not None
        return read_geometry(self.mask)

    def _between_sd(self, contrast: str) -> float | None:
        """Return the standard deviation of true effects; None if it cannot be told."""
        participants = [
            runs
            for runs in (
                [run for run in runs if self._maps(run, contrast)]
                for runs in self.participants.values()
            )
            if runs
        ]
        if len(participants) < LEAST_PARTICIPANTS:
            return None
        shared = self._shared([run for runs in participants for run in runs])
        if shared is None:
            return None
        estimates = np.array([self._combined(runs, contrast, shared) for runs in participants])
        observed = estimates[:, 0].var(axis=0, ddof=1)
        within = estimates[:, 1].mean(axis=0)
        used = (estimates[:, 1] > 0).all(axis=0)
        dof = len(participants) - 1
        total = np.median(observed[used]) * dof / chdtri(dof, 0.5)
        return float(np.sqrt(max(0.0, total - np.median(within[used]))))

    def _shared(self, runs: Sequence[Record]) -> Geometry | None:
        """Return the voxels that all runs have; None if they lie on different grids."""
        first, *others = [self._geometry(run) for run in runs]
        for geometry in others:
            if not isinstance(geometry, type(first)) or first.difference(geometry):
                return None
        mask = np.logical_and.reduce([first.mask, *(each.mask for each in others)])
        return first.with_mask(mask) if mask.any() else None

    def _combined(self, runs: Sequence[Record], contrast: str, shared: Geometry) -> FloatArray:
        """Return effect and variance of a participant, (2, n_voxels)."""
        every = [maps for maps in (self._maps(run, contrast) for run in runs) if maps is not None]
        effects, variances = (
            shared.read_rows([maps.maps[label] for maps in every])
            for label in ("effect", "variance")
        )
        combined = combine_fixed_effects(effects, variances, [maps.dof for maps in every])
        return np.stack([np.asarray(combined.effect), np.asarray(combined.variance)])


def _within(geometry: Geometry, chosen: Geometry, name: Path) -> Geometry:
    """Return a geometry with those of its voxels that are in a mask too."""
    geometry.check_same("The maps of the pilot", chosen, f"--pilot-mask {name.name}")
    mask = geometry.mask & chosen.mask
    if not mask.any():
        raise BadDataError(f"--pilot-mask {name.name} has no voxel that the pilot analyzed.")
    return geometry.with_mask(mask)


def _kind(entities: Mapping[str, str]) -> str:
    """Return what runs of one kind have in common, such as task and space."""
    return "_".join(f"{key}-{label}" for key, label in entities.items() if key not in OF_RUNS)


def _chosen(
    runs: Mapping[Path, Record], labels: Mapping[Path, str], label: str, what: str
) -> dict[Path, Record]:
    """Return the runs with a label, or all if they have the same one."""
    known = sorted(set(labels.values()))
    if len(known) > 1 and label not in known:
        raise UsageError(
            f"The results of the pilot are of {counted(len(known), 'kind')} ({listed(known, 6)}), "
            f"none of which is that of the plan ({label}): of several {what}, boldglm cannot tell "
            "which to take. Choose with --model-name, --task or --space, or name other results "
            "with --pilot."
        )
    chosen = label if label in known else known[0]
    return {path: record for path, record in runs.items() if labels[path] == chosen}
