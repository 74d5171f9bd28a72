"""What a model file says under `Software.boldglm`: choices the specification has no place for."""

from collections.abc import Mapping
from typing import Any, NoReturn

from boldglm.errors import BadDataError
from boldglm.stats_model.specification import NodeSpec
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import (
    DUMMY_SCANS,
    ESTIMATOR,
    ESTIMATORS,
    FD_THRESHOLD,
    HIGHER_LEVEL_KEYS,
    NOISE_MODELS,
    RUN_KEYS,
    SIGNAL_SCALINGS,
    SMOOTHING_TYPES,
)

_NEEDS_VARIANCES = (
    "This node weights its inputs by their variances, and that of a smoothed effect depends on "
    "how noise correlates between voxels, which no map holds. Smooth the runs (--smoothing "
    "{0:g}:run), or what enters a node that uses least squares (Type glm, Estimator ols), such as "
    "the default model's dataset node (--smoothing {0:g}:dataset)."
)


def model_options(node: NodeSpec, file_name: str) -> Mapping[str, Any]:
    """Return the checked content of `Software.boldglm` of a node.

    Raises
    ------
    BadDataError
        For a key or value that is unknown, with its JSON path.
    """
    path = f"{node.path}.Model.Software.boldglm"
    own = node.boldglm_options

    def refuse(key: str, remedy: str) -> NoReturn:
        shown = f"found {own[key]!r}" if isinstance(own, dict) else "no object"
        raise BadDataError(f"{file_name}, at {path}.{key}: {shown}. {remedy}")

    if not isinstance(own, dict):
        refuse("", "A JSON object is needed here.")
    allowed = RUN_KEYS if node.level == "run" else HIGHER_LEVEL_KEYS
    for key in own:
        if key not in allowed:
            refuse(
                key,
                f"The key is unknown; known: {', '.join(allowed)}.{did_you_mean(key, allowed)}",
            )
    choices = {
        "NoiseModel": NOISE_MODELS,
        "SignalScaling": SIGNAL_SCALINGS,
        "SmoothingType": SMOOTHING_TYPES,
        "Estimator": ESTIMATORS,
    }
    for key, known in choices.items():
        if key in own and own[key] not in known:
            refuse(key, f"Known: {', '.join(known)}.")
    _check_numbers(own, refuse)
    if node.level != "run" and own.get("SmoothingFWHM") is not None and uses_variances(node):
        refuse("SmoothingFWHM", _NEEDS_VARIANCES.format(own["SmoothingFWHM"]))
    return own


def uses_variances(node: NodeSpec) -> bool:
    """Tell whether a node above the run weights its inputs by their variances."""
    return node.type == "meta" or node.boldglm_options.get("Estimator", ESTIMATOR) != "ols"


def _check_numbers(own: Mapping[str, Any], refuse: Any) -> None:
    if own.get("SmoothingFWHM") is not None and not _above_0(own["SmoothingFWHM"]):
        refuse("SmoothingFWHM", "It is a width in mm above 0, or null.")
    if "SmoothingType" in own and not own.get("SmoothingFWHM"):
        refuse("SmoothingType", "It needs SmoothingFWHM, a width in mm.")
    if own.get(FD_THRESHOLD) is not None and not _above_0(own[FD_THRESHOLD]):
        refuse(FD_THRESHOLD, "Give millimeters above 0.")
    dummies = own.get(DUMMY_SCANS, 0)
    if not isinstance(dummies, int) or isinstance(dummies, bool) or dummies < 0:
        refuse(DUMMY_SCANS, "Give a number of scans.")
    permutations = own.get("Permutations", 0)
    if not isinstance(permutations, int) or permutations < 0:
        refuse("Permutations", "Give a number of permutations, 0 for none.")
    if "ClusterP" in own and not (_above_0(own["ClusterP"]) and own["ClusterP"] < 0.5):
        refuse("ClusterP", "Give a p value below 0.5.")
    if not isinstance(own.get("Tfce", False), bool):
        refuse("Tfce", "true or false is needed.")
    if "Coverage" in own and not (_above_0(own["Coverage"]) and own["Coverage"] <= 1):
        refuse("Coverage", "Give a share of the inputs, above 0 and up to 1.")


def _above_0(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < float("inf")
