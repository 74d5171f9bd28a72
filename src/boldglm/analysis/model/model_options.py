"""Options under `Software.boldglm` of a model file, which the specification does not define."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from boldglm.errors import BadDataError
from boldglm.glm.design.drift import split_drift
from boldglm.stats_model.specification import NodeSpec
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import (
    BLOCKS,
    DRIFT_MODEL,
    DUMMY_SCANS,
    ESTIMATOR,
    ESTIMATORS,
    FD_THRESHOLD,
    HIGHER_LEVEL_KEYS,
    LITERAL_CONDITIONS,
    NOISE_MODELS,
    RUN_KEYS,
    SIDES,
    SIGNAL_SCALINGS,
    SMOOTHING_TYPES,
    VARIANCE_GROUPS,
)

_NEEDS_VARIANCES = (
    "This node weights its inputs by their variances, but the variance of a smoothed effect is "
    "unknown, because it depends on the correlation of noise between voxels. Smooth the runs "
    "(--smoothing {0:g}:run), or the inputs of a node that uses least squares (Type glm, "
    "Estimator ols), such as the dataset node of the default model (--smoothing {0:g}:dataset)."
)
_OR_NONE = {VARIANCE_GROUPS: ", a list of names, or [] for one variance.", BLOCKS: "."}


def model_options(node: NodeSpec, file_name: str) -> Mapping[str, Any]:
    """Return the content of `Software.boldglm` of a node, after checking it.

    Parameters
    ----------
    node : NodeSpec
        The node.
    file_name : str
        Name of the model file, for messages.

    Raises
    ------
    BadDataError
        If a key or value is unknown.
    """
    path = f"{node.path}.Model.Software.boldglm"
    options = node.boldglm_options

    def refuse(key: str, remedy: str) -> NoReturn:
        shown = f"found {options[key]!r}" if isinstance(options, dict) else "no object"
        raise BadDataError(f"{file_name}, at {path}.{key}: {shown}. {remedy}")

    if not isinstance(options, dict):
        refuse("", "Write a JSON object.")
    allowed = RUN_KEYS if node.level == "run" else HIGHER_LEVEL_KEYS
    for key in options:
        if key not in allowed:
            refuse(
                key,
                f"The key is unknown.{did_you_mean(key, allowed)} Known: {', '.join(allowed)}.",
            )
    choices: dict[str, Sequence[Any]] = {
        "NoiseModel": NOISE_MODELS,
        "SignalScaling": SIGNAL_SCALINGS,
        "SmoothingType": SMOOTHING_TYPES,
        "Estimator": ESTIMATORS,
        "Sides": SIDES,
        LITERAL_CONDITIONS: (True, False),
    }
    for key, known in choices.items():
        if key in options and options[key] not in known:
            refuse(key, f"Known: {', '.join(str(word) for word in known)}.")
    _check_drift(options, refuse)
    _check_numbers(options, refuse)
    _check_columns(options, refuse)
    if node.level != "run" and options.get("SmoothingFWHM") is not None and uses_variances(node):
        refuse("SmoothingFWHM", _NEEDS_VARIANCES.format(options["SmoothingFWHM"]))
    return options


def uses_variances(node: NodeSpec) -> bool:
    """Return whether a higher-level node weights its inputs by their variances."""
    return node.type == "meta" or node.boldglm_options.get("Estimator", ESTIMATOR) != "ols"


def _check_drift(options: Mapping[str, Any], refuse: Any) -> None:
    """Refuse a drift that is no polynomial; the specification has a place for cosines."""
    try:
        is_polynomial = split_drift(str(options.get(DRIFT_MODEL, "polynomial")))[0] == "polynomial"
    except ValueError:
        is_polynomial = False
    if not is_polynomial:
        refuse(
            DRIFT_MODEL,
            "Write polynomial or polynomial:ORDER. A cosine drift is written as "
            "Model.Options.HighPassFilterCutoffHz, and no drift as neither.",
        )


def _check_numbers(options: Mapping[str, Any], refuse: Any) -> None:
    if options.get("SmoothingFWHM") is not None and not _above_0(options["SmoothingFWHM"]):
        refuse("SmoothingFWHM", "Give a width in mm above 0, or null.")
    if "SmoothingType" in options and not options.get("SmoothingFWHM"):
        refuse("SmoothingType", "Give SmoothingFWHM too, a width in mm.")
    if options.get(FD_THRESHOLD) is not None and not _above_0(options[FD_THRESHOLD]):
        refuse(FD_THRESHOLD, "Give a number of mm above 0.")
    dummies = options.get(DUMMY_SCANS, 0)
    if not isinstance(dummies, int) or isinstance(dummies, bool) or dummies < 0:
        refuse(DUMMY_SCANS, "Give a number of volumes.")
    permutations = options.get("Permutations", 0)
    if not isinstance(permutations, int) or permutations < 0:
        refuse("Permutations", "Give a number of permutations, 0 for none.")
    if "ClusterP" in options and not (_above_0(options["ClusterP"]) and options["ClusterP"] < 0.5):
        refuse("ClusterP", "Give a p value below 0.5.")
    if not isinstance(options.get("Tfce", False), bool):
        refuse("Tfce", "Give true or false.")
    if "Coverage" in options and not (_above_0(options["Coverage"]) and options["Coverage"] <= 1):
        refuse("Coverage", "Give a share of the inputs, above 0 and up to 1.")


def _check_columns(options: Mapping[str, Any], refuse: Any) -> None:
    """Refuse names of columns that are no names."""
    for key in (VARIANCE_GROUPS, BLOCKS):
        allowed = (str, list) if key == VARIANCE_GROUPS else str
        if key in options and not isinstance(options[key], allowed):
            refuse(key, "Give the name of a column of participants.tsv" + _OR_NONE[key])
    names = options.get(VARIANCE_GROUPS, [])
    if isinstance(names, list) and not all(isinstance(name, str) for name in names):
        refuse(VARIANCE_GROUPS, f"Give names of columns{_OR_NONE[VARIANCE_GROUPS]}")


def _above_0(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value < float("inf")
