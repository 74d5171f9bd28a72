"""What determines the fit of one run: its design, the noise model, and the maps to write."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.modulation import Modulator
from boldglm.glm import Design
from boldglm.io.bids.atlas import Atlas
from boldglm.io.bids.events import PREFIX
from boldglm.io.files.atomic import whole_file
from boldglm.notices import Notice
from boldglm.vocabulary import (
    DRIFT,
    HIGH_PASS,
    HRF_MODEL,
    MISSING_POLICY,
    NOISE_MODEL,
    SIGNAL_SCALING,
    SMOOTHING_TYPE,
)


@dataclass(frozen=True)
class DesignSettings:
    """How the design of a run is built from its events and confounds.

    Parameters
    ----------
    conditions : tuple of str, optional
        Trial types to model; by default all that occur in the run.
    hrf_model : str
        One of `boldglm.glm.HRF_MODELS`.
    fir_delays : tuple of float, optional
        Delays of the HRF model ``"fir"`` in seconds.
    high_pass : float or None
        Cut-off period of the cosine drift in seconds; None for no drift.
    modulators : tuple of Modulator
        Columns of the events that scale responses.
    confounds : ConfoundSettings
        Confounds to include and volumes to censor.
    orthogonalize : tuple of str
        Rules such as ``"houses ~ faces"``, applied in this order.
    prefix : str
        Put before each trial type to name its regressor.
    drift : str
        As for `boldglm.glm.build_design`.

    Examples
    --------
    >>> DesignSettings(hrf_model="glover", orthogonalize=("houses ~ faces",)).high_pass
    128.0
    """

    conditions: tuple[str, ...] | None = None
    hrf_model: str = HRF_MODEL
    fir_delays: tuple[float, ...] | None = None
    high_pass: float | None = HIGH_PASS
    modulators: tuple[Modulator, ...] = ()
    confounds: ConfoundSettings = field(default_factory=ConfoundSettings)
    orthogonalize: tuple[str, ...] = ()
    prefix: str = PREFIX
    drift: str = DRIFT


@dataclass(frozen=True)
class ModelFile:
    """A BIDS Stats Model whose run node defines the design.

    Parameters
    ----------
    path : Path
        The model file.
    known_variables : tuple of str
        Names of variables that other runs have, so that this run may lack them.
    missing_conditions : {"drop", "zero", "error"}
        What to do if this run lacks one of them.
    orthogonalize : tuple of str
        Rules such as ``"houses ~ faces"``, applied in this order.
    """

    path: Path
    known_variables: tuple[str, ...] = ()
    missing_conditions: str = MISSING_POLICY
    orthogonalize: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SliceDesigns:
    """The designs of a run at the times of its slices.

    Parameters
    ----------
    times : tuple of float
        The slice times, in seconds after the onset of a volume, each once.
    matrices : ndarray of shape (n_times, n_scans, n_regressors)
        The design at each of them, with the columns of the design at the reference time.
    axis : int
        Axis of the image along which slices follow each other.
    groups : tuple of int
        For each slice, the index of its time.
    """

    times: tuple[float, ...]
    matrices: np.ndarray
    axis: int
    groups: tuple[int, ...]

    def save(self, path: Path) -> None:
        """Write an npz file."""
        with whole_file(path) as file:
            np.savez(
                file, times=self.times, matrices=self.matrices, axis=self.axis, groups=self.groups
            )

    @classmethod
    def load(cls, path: Path) -> "SliceDesigns":
        """Read the file of `save`."""
        with np.load(path) as archive:
            return cls(
                tuple(archive["times"].tolist()),
                archive["matrices"],
                int(archive["axis"]),
                tuple(archive["groups"].tolist()),
            )


@dataclass(frozen=True, eq=False)
class BuiltDesign:
    """A design that has been built already, with its history.

    It is never changed, so copies of a workflow share it.

    Parameters
    ----------
    design : Design
        What is fitted.
    before : Design, optional
        The design before orthogonalization; None without rules.
    rules : tuple of (str, tuple of str)
        Orthogonalized regressor, and what it was orthogonalized against.
    notices : tuple of Notice
        Exclusions and warnings that building the design gave.
    hrf_model : str
        HRF of the conditions, which single trials share.
    slices : SliceDesigns, optional
        Designs at the times of the slices, if each is fitted at its own time. `design` is then
        that of the reference time.
    """

    design: Design
    before: Design | None = None
    rules: tuple[tuple[str, tuple[str, ...]], ...] = ()
    notices: tuple[Notice, ...] = ()
    hrf_model: str = HRF_MODEL
    slices: SliceDesigns | None = None

    def __deepcopy__(self, memo: dict) -> "BuiltDesign":
        # nipype copies a workflow, and with it all inputs of its nodes, several times
        return self


@dataclass(frozen=True)
class FitSettings:
    """How the data of a run are scaled, smoothed and fitted.

    Parameters
    ----------
    noise_model : str
        As for `boldglm.glm.fit`.
    signal_scaling : {"percent", "none"}
        Unit of the effects: percent of the mean of each voxel, or that of the data.
    smoothing : float, optional
        Full width at half maximum in mm of a Gaussian applied within the mask; None for no
        smoothing.
    smoothing_type : {"iso", "isoblurto"}
        Whether `smoothing` is the width of the Gaussian, or the smoothness that the residuals
        are to have.

    Examples
    --------
    >>> FitSettings(noise_model="ar1", smoothing=5.0).signal_scaling
    'percent'
    """

    noise_model: str = NOISE_MODEL
    signal_scaling: str = SIGNAL_SCALING
    smoothing: float | None = None
    smoothing_type: str = SMOOTHING_TYPE


@dataclass(frozen=True)
class CachedFit:
    """Where the fit of a run is stored, to be reused if only contrasts change.

    Parameters
    ----------
    folder : Path
        Folder of this run alone.
    key : str
        Digest of everything that the fit depends on. A fit stored with another key is replaced.
    """

    folder: Path
    key: str


@dataclass(frozen=True)
class RunSettings:
    """Everything that determines the fit of one run, apart from its files and contrasts.

    Parameters
    ----------
    design : DesignSettings, ModelFile or BuiltDesign
        How to build the design, or a design that has been built already.
    fit : FitSettings
        Noise model, scaling and smoothing.
    maps : tuple of str
        Maps that belong to no contrast, of ``"rsquared"``, ``"taskrsquared"``, ``"tsnr"``,
        ``"whiteness"``, ``"dof"``, ``"ar"``, ``"residuals"`` and ``"fitted"``.
    single_trials : {"lsa", "lss"}, optional
        Also estimate every trial: all in one model, or each in a model of its own.
    cache : CachedFit, optional
        Where to store the fit; by default it is not stored.
    atlas : Atlas, optional
        Atlas with regions whose mean series are fitted as well, such as
        ``Atlas.of(Path("atlas_dseg.nii.gz"))`` with its table ``atlas_dseg.tsv`` beside it.
    explain : tuple of str
        Pairs of regressors, such as ``"B ~ A"``, whose estimates are compared for the report.

    Examples
    --------
    >>> settings = RunSettings(fit=FitSettings(noise_model="ols"), maps=("rsquared",))
    >>> settings.design.hrf_model
    'spm'
    """

    design: DesignSettings | ModelFile | BuiltDesign = field(default_factory=DesignSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    maps: tuple[str, ...] = ()
    single_trials: str | None = None
    cache: CachedFit | None = None
    atlas: Atlas | None = None
    explain: tuple[str, ...] = ()
