"""The noise models that a fit can have, by name."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from boldglm.glm.design.linear_model import LinearModel
from boldglm.glm.noise.ar1 import AR1Estimates, estimate_ar1
from boldglm.glm.noise.ar_p import ARpEstimates, check_order, estimate_ar_p
from boldglm.glm.noise.arma11 import ARMA11Estimates, check_dof, estimate_arma11
from boldglm.glm.noise.auto import AutoEstimates, estimate_auto
from boldglm.glm.noise.blocks import BoldSeries, Chunks
from boldglm.glm.noise.contrast_variance import NoiseEstimates
from boldglm.glm.noise.nilearn_ar1 import NilearnAR1Estimates, estimate_nilearn_ar1
from boldglm.glm.noise.ols import OLSEstimates, estimate_ols
from boldglm.suggestions import list_known

Estimator = Callable[[BoldSeries, LinearModel, Chunks], tuple[LinearModel, NoiseEstimates]]


def _refuse_nothing(_: LinearModel) -> None:
    """Any design with a degree of freedom will do."""


class NoiseModel(NamedTuple):
    """A way to estimate noise: the function, the class of what it returns, what it refuses."""

    estimate: Estimator
    estimates: Callable[..., NoiseEstimates]
    refuse: Callable[[LinearModel], None] = _refuse_nothing


HIGHEST_ORDER = 6

_NOISE: dict[str, NoiseModel] = {
    "auto": NoiseModel(estimate_auto, AutoEstimates),
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

NOISE_MODELS = tuple(_NOISE)
"""What `fit` accepts as ``noise``."""


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
        If there is none of that name.

    Examples
    --------
    >>> noise_model("ols").estimates.__name__
    'OLSEstimates'
    """
    if name not in _NOISE:
        raise ValueError(f"there is no noise model {name!r}.{list_known(str(name), _NOISE)}")
    return _NOISE[name]
