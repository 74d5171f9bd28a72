"""The noise models of a first-level fit, by name."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar1 import AR1Estimates, estimate_ar1
from boldglm.glm.noise.ar_p import ARpEstimates, check_order, estimate_ar_p
from boldglm.glm.noise.arma11 import ARMA11Estimates, check_dof, estimate_arma11
from boldglm.glm.noise.auto import AutoEstimates, estimate_auto, estimate_auto_parts
from boldglm.glm.noise.blocks import BoldSeries, Chunks
from boldglm.glm.noise.contrast_variance import NoiseEstimates
from boldglm.glm.noise.nilearn_ar1 import NilearnAR1Estimates, estimate_nilearn_ar1
from boldglm.glm.noise.ols import OLSEstimates, estimate_ols
from boldglm.suggestions import list_known

Estimator = Callable[[BoldSeries, LinearModel, Chunks], tuple[LinearModel, NoiseEstimates]]
PartsEstimator = Callable[
    [Sequence[tuple[BoldSeries, LinearModel]], LinearModel, Chunks],
    tuple[AutoEstimates, list[tuple[LinearModel, AutoEstimates]]],
]


def _accept(_: LinearModel) -> None:
    """Accept any design that leaves a degree of freedom."""


class NoiseModel(NamedTuple):
    """A noise model.

    Parameters
    ----------
    estimate : callable
        Fits BOLD data; returns the design, possibly in another basis, and the estimates.
    estimates : type
        Class of the estimates.
    check : callable
        Raises ValueError for a design that leaves too little data for this noise model.
    estimate_parts : callable, optional
        Fits parts of a run that have designs of their own, if voxels share what is known of the
        noise. Without it, parts are fitted one by one.
    """

    estimate: Estimator
    estimates: Callable[..., NoiseEstimates]
    check: Callable[[LinearModel], None] = _accept
    estimate_parts: PartsEstimator | None = None


HIGHEST_ORDER = 6

_NOISE: dict[str, NoiseModel] = {
    "auto": NoiseModel(estimate_auto, AutoEstimates, estimate_parts=estimate_auto_parts),
    "ols": NoiseModel(estimate_ols, OLSEstimates),
    "ar1": NoiseModel(estimate_ar1, AR1Estimates),
    **{
        f"ar{order}": NoiseModel(
            partial(estimate_ar_p, order=order),
            ARpEstimates,
            partial(check_order, order=order),
        )
        for order in range(2, HIGHEST_ORDER + 1)
    },
    "arma11": NoiseModel(estimate_arma11, ARMA11Estimates, check_dof),
    "nilearn-ar1": NoiseModel(estimate_nilearn_ar1, NilearnAR1Estimates),
}

"""Names that `fit` accepts as ``noise``."""


def noise_model(name: str) -> NoiseModel:
    """Return a noise model by name.

    Parameters
    ----------
    name : str
        One of `NOISE_MODELS`.

    Returns
    -------
    NoiseModel

    Raises
    ------
    ValueError
        If there is no noise model of that name.

    Examples
    --------
    >>> noise_model("ols").estimates.__name__
    'OLSEstimates'
    """
    if name not in _NOISE:
        raise ValueError(f"there is no noise model {name!r}.{list_known(str(name), _NOISE)}")
    return _NOISE[name]
