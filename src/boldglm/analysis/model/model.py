"""The model of an analysis, read from a BIDS Stats Model.

The default model is built as the content of a model file and read like any other, so the file
that is saved gives the same maps. Features that are not supported are refused, with their JSON
path.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.identity import FIRST_LEVEL, Identity
from boldglm.analysis.model.model_options import model_options
from boldglm.analysis.model.modulation import ORDERS, Modulator
from boldglm.analysis.model.renamed import renamed_model
from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm import hrf_basis
from boldglm.glm.design.confound_names import has_cosines
from boldglm.glm.design.drift import split_drift
from boldglm.io.files.json_files import load_json
from boldglm.stats_model.parsing import parse_stats_model
from boldglm.stats_model.specification import ContrastSpec, NodeSpec, StatsModel
from boldglm.vocabulary import (
    DRIFT,
    DRIFT_MODEL,
    DUMMY_SCANS,
    FD_THRESHOLD,
    HIGH_PASS,
    HRF_FAMILIES,
    LITERAL_CONDITIONS,
    NOISE_MODEL,
    TRIAL_TYPE,
    TRIAL_TYPE_COLUMN,
)

MODEL_VERSION = "1.0.0"


@dataclass(frozen=True)
class PlainConditions:
    """Trial types that are all convolved with the same HRF, as in the default model."""

    conditions: tuple[str, ...]
    hrf_model: str
    fir_delays: tuple[float, ...] | None
    column: str = TRIAL_TYPE  # of the events, which names the conditions

    @property
    def prefix(self) -> str:
        """What precedes a condition in the name of its variable."""
        return f"{self.column}."


@dataclass(frozen=True)
class Model:
    """The model of an analysis, with the options of its run node.

    Parameters
    ----------
    spec : StatsModel
        The content of the model file.
    plain : PlainConditions or None
        Conditions, if the transformations of the run node are a Factor of trial_type and one
        Convolve, as in the default model; None if the design needs the transformations of the
        file.
    high_pass, low_pass : float or None
        Cut-off periods in seconds (the file has frequencies in Hz).
    drift : str
        As for `boldglm.glm.build_design`.
    confounds : ConfoundSettings
        Censored volumes and, if `plain` is given, confounds in the design.
    modulators : tuple of Modulator
        Parametric modulators.
    orthogonalize : tuple of (str, tuple of str)
        Orthogonalized regressor, and the regressors that it is orthogonalized against.
    noise_model, signal_scaling, smoothing, smoothing_type
        As for `boldglm.analysis.first_level.settings.FitSettings`.
    identity : Identity, optional
        What the results of the model have to share to be combined; None outside an analysis.
    """

    spec: StatsModel
    plain: PlainConditions | None
    high_pass: float | None = HIGH_PASS
    low_pass: float | None = None
    confounds: ConfoundSettings = field(default_factory=ConfoundSettings)
    modulators: tuple[Modulator, ...] = ()
    orthogonalize: tuple[tuple[str, tuple[str, ...]], ...] = ()
    noise_model: str = NOISE_MODEL
    signal_scaling: str = "percent"
    smoothing: float | None = None
    smoothing_type: str = "iso"
    drift: str = DRIFT
    identity: Identity | None = None

    @property
    def has_drift(self) -> bool:
        """Whether the design has drift regressors, apart from confounds."""
        return self.drift != "none" and (self.drift != DRIFT or self.high_pass is not None)

    @property
    def drift_order(self) -> int | None:
        """Order of a polynomial drift; None for other drifts, and if it depends on the run."""
        return split_drift(self.drift)[1]

    @property
    def name(self) -> str:
        """Name of the model, and of its file."""
        return self.spec.name

    def digest_of(self, node: str) -> str:
        """Return the digest of a node in the identity of the analysis; empty without one."""
        return "" if self.identity is None else self.identity.nodes[node]

    @property
    def starts_from_maps(self) -> bool:
        """Whether other programs estimated the first levels."""
        return self.identity is not None and FIRST_LEVEL in self.identity.options

    def of_result(self, node: str, level: str) -> dict[str, Any]:
        """Return what the record of a result keeps of the analysis."""
        return {} if self.identity is None else self.identity.of_result(node, level)

    @property
    def smoothing_widths(self) -> tuple[float, ...]:
        """Full widths at half maximum in mm of the smoothing at all levels."""
        widths = [node.boldglm_options.get("SmoothingFWHM") for node in self.spec.nodes]
        return tuple(dict.fromkeys(float(width) for width in widths if width))

    @property
    def run_node(self) -> NodeSpec:
        """The node that fits runs."""
        return self.spec.root

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that the model is for; empty means any."""
        return self.spec.input.get("task", ())

    @property
    def hrf_model(self) -> str:
        """HRFs of the model, separated by commas."""
        if self.plain is not None:
            return self.plain.hrf_model
        instructions = self.run_node.instructions
        names = [convolved_with(step) for step in instructions if is_convolve(step)]
        if self.run_node.hrf is not None:
            names.append(self.run_node.hrf.model)
        return ", ".join(dict.fromkeys(names)) or "none"


def read_model(
    path: Path,
    fit_options: Mapping[str, Any] | None = None,
    level_options: Mapping[str, Mapping[str, Any]] | None = None,
    name: str | None = None,
) -> Model:
    """Read a BIDS Stats Model file.

    Parameters
    ----------
    path : Path
        The model file.
    fit_options : mapping, optional
        Keys of `Software.boldglm` that override those of the run node.
    level_options : mapping, optional
        By level, keys of `Software.boldglm` that override those of the nodes that results of lower
        levels enter.
    name : str, optional
        Another name for the model, which also precedes the names of its nodes.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    MissingInputError
        If the file cannot be read.
    BadDataError
        If it is not JSON, not a BIDS Stats Model, or needs a feature that is not supported.
    """
    try:
        content = load_json(path)
    except OSError as error:
        raise MissingInputError(f"The model {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadDataError(f"The model {path} is not valid JSON: {error}.") from error
    content = content if name is None else renamed_model(content, name)
    return parse_model(content, path.name, fit_options, level_options)


def parse_model(
    content: Any,
    file_name: str = "model",
    fit_options: Mapping[str, Any] | None = None,
    level_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Model:
    """Read the content of a BIDS Stats Model file.

    Parameters
    ----------
    content : Any
        Content of the JSON file.
    file_name : str
        Name of the file, for messages.
    fit_options, level_options : mapping, optional
        As for `read_model`.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    BadDataError
        If it is not a BIDS Stats Model, or needs a feature that is not supported.
    """
    spec = parse_stats_model(content, file_name)
    overrides = [([spec.root.name], fit_options or {})]
    for level, options in (level_options or {}).items():
        overrides.append((_nodes_with_lower_inputs(spec, level, options, file_name), options))
    for names, options in overrides:
        if options:
            content = _with_options(content, names, options)
            spec = parse_stats_model(content, file_name)
    for node in spec.nodes:
        model_options(node, file_name)
    root = spec.root
    options = model_options(root, file_name)
    plain = _plain_conditions(root)
    columns = () if plain is None else _confound_terms(root, plain.prefix)
    confounds = ConfoundSettings(columns, options.get(FD_THRESHOLD), options.get(DUMMY_SCANS, 0))
    high_pass = root.options.get("HighPassFilterCutoffHz")
    low_pass = root.options.get("LowPassFilterCutoffHz")
    _check_drift(root, options, file_name)
    return Model(
        spec=spec,
        plain=plain,
        high_pass=1 / high_pass if high_pass else None,
        low_pass=1 / low_pass if low_pass else None,
        confounds=confounds,
        modulators=_modulators(options, plain, root, file_name),
        orthogonalize=tuple(
            (rule["Regressor"], tuple(rule["Against"]))
            for rule in options.get("Orthogonalize", [])
        ),
        noise_model=options.get("NoiseModel", NOISE_MODEL),
        signal_scaling=options.get("SignalScaling", "percent"),
        smoothing=options.get("SmoothingFWHM"),
        smoothing_type=options.get("SmoothingType", "iso"),
        drift=options.get(DRIFT_MODEL, DRIFT),
    )


def _check_drift(root: NodeSpec, options: Mapping[str, Any], file_name: str) -> None:
    """Refuse two models of slow drift."""
    filters = "Model.Options.HighPassFilterCutoffHz"
    has_filter = bool(root.options.get("HighPassFilterCutoffHz"))
    if has_cosines([str(term) for term in root.x]) and (has_filter or DRIFT_MODEL in options):
        place = filters if has_filter else f"Model.Software.boldglm.{DRIFT_MODEL}"
        found = "X has cosine confounds, which are a high-pass filter already"
        _refuse(file_name, f"{root.path}.{place}", found, "Leave out one of the two.")
    if has_filter and DRIFT_MODEL in options:
        place = f"{root.path}.Model.Software.boldglm.{DRIFT_MODEL}"
        found = f"found {options[DRIFT_MODEL]!r}, but {filters} is a drift model too"
        _refuse(file_name, place, found, "Leave out one of the two.")


def is_convolve(instruction: Mapping[str, Any]) -> bool:
    """Return whether an instruction is a convolution."""
    return str(instruction.get("Name", "")).lower() == "convolve"


def convolved_with(instruction: Mapping[str, Any]) -> str:
    """Return the HRF of a Convolve instruction as the command line writes it.

    Examples
    --------
    >>> convolved_with({"Name": "Convolve", "Model": "spm", "Derivative": True})
    'spm + derivative'
    """
    model = str(instruction.get("Model", "spm"))
    extras = [suffix.lower() for suffix in ("Derivative", "Dispersion") if instruction.get(suffix)]
    return " + ".join([model, *extras])


def _plain_conditions(root: NodeSpec) -> PlainConditions | None:
    """Return the conditions if the transformations are a Factor and one Convolve, else None."""
    names = sorted(str(step.get("Name", "")) for step in root.instructions)
    if names != ["Convolve", "Factor"] or root.hrf or root.formula or 1 not in root.x:
        return None
    factor, convolve = sorted(root.instructions, key=lambda step: str(step["Name"]) == "Convolve")
    inputs = convolve.get("Input")
    column = str(root.boldglm_options.get(TRIAL_TYPE_COLUMN, TRIAL_TYPE))
    prefix = f"{column}."
    if set(factor) - {"Name", "Input"} or factor.get("Input") != [column]:
        return None
    known = {"Name", "Input", "Model", "Derivative", "Dispersion", "FirDelays"}
    if set(convolve) - known or not isinstance(inputs, list) or not inputs:
        return None
    if not all(_is_condition(str(name), prefix, root) for name in inputs):
        return None
    if convolve.get("Model", "spm") not in HRF_FAMILIES:
        return None
    delays = tuple(convolve["FirDelays"]) if convolve.get("FirDelays") else None
    try:
        suffixes = hrf_basis(convolved_with(convolve), delays).suffixes
    except (TypeError, ValueError):
        return None  # the transformations support more, and explain what they do not support
    columns = {str(name): [str(name) + suffix for suffix in suffixes] for name in inputs}
    modulator_prefixes = tuple(
        prefix + str(modulator.get("Condition")) + "_x_"
        for modulator in root.boldglm_options.get("Modulators", [])
    )
    for term in [str(term) for term in root.x if str(term).startswith(prefix)]:
        is_column = any(term in names for names in columns.values())
        if not is_column and not term.startswith(modulator_prefixes):
            return None
    if any(not set(names) & set(map(str, root.x)) for names in columns.values()):
        return None  # X leaves out a condition that is convolved
    return PlainConditions(
        tuple(str(name).removeprefix(prefix) for name in inputs),
        convolved_with(convolve),
        delays,
        column,
    )


def _is_condition(name: str, prefix: str, root: NodeSpec) -> bool:
    """Tell whether an input of Convolve is the name of one condition, not a pattern."""
    is_literal = root.boldglm_options.get(LITERAL_CONDITIONS, False)
    return name.startswith(prefix) and (is_literal or not set(name) & set("*?"))


def _confound_terms(root: NodeSpec, prefix: str) -> tuple[str, ...]:
    return tuple(str(term) for term in root.x if term != 1 and not str(term).startswith(prefix))


def _modulators(
    options: Mapping[str, Any], plain: PlainConditions | None, root: NodeSpec, file_name: str
) -> tuple[Modulator, ...]:
    """Read the parametric modulators."""
    path = f"{root.path}.Model.Software.boldglm.Modulators"
    modulators = []
    conditions = plain.conditions if plain is not None else ()
    for index, content in enumerate(options.get("Modulators", [])):
        order = content.get("Order", 1)
        if content.get("Condition") not in conditions or not content.get("Column"):
            remedy = (
                f"Give a Column, and one of the Conditions {', '.join(conditions)}."
                if plain is not None
                else "In a model with other transformations, use the transformation Product."
            )
            _refuse(file_name, f"{path}[{index}]", f"found {content}", remedy)
        if order not in ORDERS:
            _refuse(file_name, f"{path}[{index}].Order", f"found {order!r}", "Known: 1, 2, 3.")
        modulators.append(Modulator(content["Condition"], content["Column"], order))
    return tuple(modulators)


def _nodes_with_lower_inputs(
    spec: StatsModel, level: str, options: Mapping[str, Any], file_name: str
) -> list[str]:
    """Return the names of the nodes of a level that results of lower levels enter."""
    names = [
        node.name
        for node in spec.nodes
        if node.level == level
        and any(spec.node(edge.source).level != level for edge in spec.edges_into(node))
    ]
    if not names:
        levels = ", ".join(dict.fromkeys(node.level for node in spec.nodes))
        raise BadDataError(
            f"{file_name} has no {level} node for {' and '.join(options)}. It has nodes of the "
            f"levels {levels}; choose one of them."
        )
    return names


def _with_options(
    content: dict[str, Any], names: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a copy of the content of a model file, with options added to some nodes."""
    changed = copy.deepcopy(content)
    for node in changed["Nodes"]:
        if (node.get("Name") or str(node["Level"]).lower()) in names:
            model = node.setdefault("Model", {})
            software = model.get("Software") or {}
            if isinstance(software, list):  # checked before: an object for each program
                software = {name: value for item in software for name, value in item.items()}
            own = {**software.get("boldglm", {}), **options}
            model["Software"] = {**software, "boldglm": own}
    return changed


def _refuse(file_name: str, path: str, found: str, remedy: str) -> NoReturn:
    raise BadDataError(f"{file_name}, at {path}: {found}. {remedy}")


__all__ = ["ContrastSpec", "Model", "PlainConditions", "parse_model", "read_model"]
