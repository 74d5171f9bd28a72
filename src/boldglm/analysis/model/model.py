"""The model of an analysis: a BIDS Stats Model and what it says to the fit of a run.

The JSON is the truth: the default model is written first and then read like any other, so the
saved file gives the same maps. What this version cannot do is refused by name and JSON path.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.model_options import model_options
from boldglm.analysis.model.modulation import ORDERS, Modulator
from boldglm.errors import BadDataError, MissingInputError
from boldglm.glm import hrf_basis
from boldglm.glm.design.confound_names import has_cosines
from boldglm.io.bids.events import PREFIX
from boldglm.io.files.json_files import load_json
from boldglm.stats_model.parsing import parse_stats_model
from boldglm.stats_model.specification import ContrastSpec, NodeSpec, StatsModel
from boldglm.vocabulary import DUMMY_SCANS, FD_THRESHOLD, HIGH_PASS, HRF_FAMILIES

MODEL_VERSION = "1.0.0"


@dataclass(frozen=True)
class PlainConditions:
    """Trial types convolved with one HRF, as the default model has them."""

    conditions: tuple[str, ...]
    hrf_model: str
    fir_delays: tuple[float, ...] | None


@dataclass(frozen=True)
class Model:
    """What one analysis does at each level, and what its runs need.

    `plain` is set where the run node is a Factor of trial_type and one Convolve, which covers
    the default model; other designs come from the transformations of `spec.root`. Filters are
    in Hz of the file turned to periods in seconds. `confounds` of a plain model says which
    columns of the confounds tables join the design, and what is censored.
    """

    spec: StatsModel
    plain: PlainConditions | None
    high_pass: float | None = HIGH_PASS
    low_pass: float | None = None
    confounds: ConfoundSettings = field(default_factory=ConfoundSettings)
    modulators: tuple[Modulator, ...] = ()
    orthogonalize: tuple[tuple[str, tuple[str, ...]], ...] = ()
    noise_model: str = "auto"
    signal_scaling: str = "percent"
    smoothing: float | None = None  # FWHM in mm
    smoothing_type: str = "iso"

    @property
    def name(self) -> str:
        """Name of the model, and of its file."""
        return self.spec.name

    @property
    def smoothing_widths(self) -> tuple[float, ...]:
        """Every width that something is smoothed by, mm."""
        own = [node.boldglm_options.get("SmoothingFWHM") for node in self.spec.nodes]
        return tuple(dict.fromkeys(float(width) for width in own if width))

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
        """HRFs of the model, in words."""
        if self.plain is not None:
            return self.plain.hrf_model
        found = [convolved_with(one) for one in self.run_node.instructions if is_convolve(one)]
        if self.run_node.hrf is not None:
            found.append(self.run_node.hrf.model)
        return ", ".join(dict.fromkeys(found)) or "none"


def read_model(
    path: Path,
    fit_options: Mapping[str, Any] | None = None,
    level_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Model:
    """Read a BIDS Stats Model file.

    Parameters
    ----------
    path : Path
    fit_options : mapping, optional
        Keys of `Software.boldglm` of the run node that override the file's.
    level_options : mapping, optional
        Likewise of the nodes, by level, that results of lower levels enter.

    Raises
    ------
    MissingInputError
        If it cannot be read.
    BadDataError
        If it is not JSON, not a BIDS Stats Model, or asks for what this version cannot do; the
        message gives the JSON path.
    """
    try:
        content = load_json(path)
    except OSError as error:
        raise MissingInputError(f"The model {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadDataError(f"The model {path} is not JSON: {error}.") from error
    return parse_model(content, path.name, fit_options, level_options)


def parse_model(
    content: Any,
    file_name: str = "model",
    fit_options: Mapping[str, Any] | None = None,
    level_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Model:
    """Turn the content of a BIDS Stats Model file into a `Model`.

    Raises
    ------
    BadDataError
        As `boldglm.stats_model.parsing.parse_stats_model`, and for what `Software.boldglm` says.
    """
    spec = parse_stats_model(content, file_name)
    nodes = [([spec.root.name], fit_options or {})]
    nodes += [(_entered(spec, *one, file_name), one[1]) for one in (level_options or {}).items()]
    for names, options in nodes:
        if options:
            content = _with_options(content, names, options)
            spec = parse_stats_model(content, file_name)
    for node in spec.nodes:
        model_options(node, file_name)
    root = spec.root
    own = model_options(root, file_name)
    plain = _plain(root)
    columns = () if plain is None else _confound_terms(root)
    confounds = ConfoundSettings(columns, own.get(FD_THRESHOLD), own.get(DUMMY_SCANS, 0))
    high_pass = root.options.get("HighPassFilterCutoffHz")
    low_pass = root.options.get("LowPassFilterCutoffHz")
    if has_cosines([str(term) for term in root.x]) and high_pass:
        _refuse(
            file_name,
            f"{root.path}.Model.Options.HighPassFilterCutoffHz",
            "X has cosine columns of the confounds, which are a high-pass filter already",
            "Leave out one of the two.",
        )
    return Model(
        spec=spec,
        plain=plain,
        high_pass=1 / high_pass if high_pass else None,
        low_pass=1 / low_pass if low_pass else None,
        confounds=confounds,
        modulators=_modulators(own, plain, root, file_name),
        orthogonalize=tuple(
            (rule["Regressor"], tuple(rule["Against"])) for rule in own.get("Orthogonalize", [])
        ),
        noise_model=own.get("NoiseModel", "auto"),
        signal_scaling=own.get("SignalScaling", "percent"),
        smoothing=own.get("SmoothingFWHM"),
        smoothing_type=own.get("SmoothingType", "iso"),
    )


def is_convolve(instruction: Mapping[str, Any]) -> bool:
    """Tell whether an instruction is a convolution."""
    return str(instruction.get("Name", "")).lower() == "convolve"


def convolved_with(instruction: Mapping[str, Any]) -> str:
    """Name the HRF of a Convolve instruction as the command line does.

    Examples
    --------
    >>> convolved_with({"Name": "Convolve", "Model": "spm", "Derivative": True})
    'spm + derivative'
    """
    model = str(instruction.get("Model", "spm"))
    extras = [suffix.lower() for suffix in ("Derivative", "Dispersion") if instruction.get(suffix)]
    return " + ".join([model, *extras])


def _plain(root: NodeSpec) -> PlainConditions | None:
    """Return the conditions of a run node that is a Factor and one Convolve, or None."""
    names = sorted(str(one.get("Name", "")) for one in root.instructions)
    if names != ["Convolve", "Factor"] or root.hrf or root.formula or 1 not in root.x:
        return None
    factor, convolve = sorted(root.instructions, key=lambda one: str(one["Name"]) == "Convolve")
    inputs = convolve.get("Input")
    if set(factor) - {"Name", "Input"} or factor.get("Input") != ["trial_type"]:
        return None
    known = {"Name", "Input", "Model", "Derivative", "Dispersion", "FirDelays"}
    if set(convolve) - known or not isinstance(inputs, list) or not inputs:
        return None
    if any(not str(one).startswith(PREFIX) or set(str(one)) & set("*?") for one in inputs):
        return None
    if convolve.get("Model", "spm") not in HRF_FAMILIES:
        return None
    delays = tuple(convolve["FirDelays"]) if convolve.get("FirDelays") else None
    try:
        suffixes = hrf_basis(convolved_with(convolve), delays).suffixes
    except (TypeError, ValueError):
        return None  # the transformations can do more, and name what they refuse
    columns = {str(one): [str(one) + suffix for suffix in suffixes] for one in inputs}
    modulating = [
        PREFIX + str(one.get("Condition")) + "_x_"
        for one in root.boldglm_options.get("Modulators", [])
    ]
    for term in [str(term) for term in root.x if str(term).startswith(PREFIX)]:
        is_column = any(term in own for own in columns.values())
        if not is_column and not term.startswith(tuple(modulating)):
            return None
    if any(not set(own) & set(map(str, root.x)) for own in columns.values()):
        return None  # a convolved condition that X leaves out is no part of the design
    return PlainConditions(
        tuple(str(one).removeprefix(PREFIX) for one in inputs),
        convolved_with(convolve),
        delays,
    )


def _confound_terms(root: NodeSpec) -> tuple[str, ...]:
    return tuple(str(term) for term in root.x if term != 1 and not str(term).startswith(PREFIX))


def _modulators(
    own: Mapping[str, Any], plain: PlainConditions | None, root: NodeSpec, file_name: str
) -> tuple[Modulator, ...]:
    """Read the columns of the events that scale responses."""
    path = f"{root.path}.Model.Software.boldglm.Modulators"
    found = []
    conditions = plain.conditions if plain is not None else ()
    for index, one in enumerate(own.get("Modulators", [])):
        order = one.get("Order", 1)
        if one.get("Condition") not in conditions or not one.get("Column"):
            remedy = (
                f"Give a Column and a Condition of {', '.join(conditions)}."
                if plain is not None
                else "In a model with transformations of its own, write them with Product."
            )
            _refuse(file_name, f"{path}[{index}]", f"found {one}", remedy)
        if order not in ORDERS:
            _refuse(file_name, f"{path}[{index}].Order", f"{order!r}", "Known: 1, 2, 3.")
        found.append(Modulator(one["Condition"], one["Column"], order))
    return tuple(found)


def _entered(
    spec: StatsModel, level: str, options: Mapping[str, Any], file_name: str
) -> list[str]:
    """Name the nodes of a level that results of lower levels enter."""
    found = [
        node.name
        for node in spec.nodes
        if node.level == level
        and any(spec.node(edge.source).level != level for edge in spec.edges_into(node))
    ]
    if not found:
        levels = ", ".join(dict.fromkeys(node.level for node in spec.nodes))
        raise BadDataError(
            f"{file_name} has no {level} node that {' and '.join(options)} could be for; it has "
            f"nodes of the levels: {levels}."
        )
    return found


def _with_options(
    content: dict[str, Any], names: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a copy of a model file some nodes of which hold the options."""
    changed = copy.deepcopy(content)
    for node in changed["Nodes"]:
        if node["Name"] in names:
            software = node.setdefault("Model", {}).setdefault("Software", {})
            software["boldglm"] = {**software.get("boldglm", {}), **options}
    return changed


def _refuse(file_name: str, path: str, found: str, remedy: str) -> NoReturn:
    raise BadDataError(f"{file_name}, at {path}: {found}. {remedy}")


__all__ = ["ContrastSpec", "Model", "PlainConditions", "parse_model", "read_model"]
