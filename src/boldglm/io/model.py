"""The model of an analysis, as a BIDS Stats Model and as the values that a run needs.

The JSON is the truth: the default model is written first and then read like any other, so the
saved file gives the same maps. What this version cannot do is refused by name and JSON path.
"""

import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from boldglm.errors import BadDataError, MissingInputError, nearest
from boldglm.glm.confound_names import has_cosines, is_pattern
from boldglm.io.confounds import ConfoundChoices
from boldglm.io.events import PREFIX
from boldglm.io.modulation import ORDERS, Modulator

MODEL_VERSION = "1.0.0"
NOISE_MODELS = ("auto", "ols", "ar1", "ar2", "ar3", "ar4", "ar5", "ar6", "arma11", "nilearn-ar1")
SIGNAL_SCALINGS = ("percent", "none")
FD_THRESHOLD = "FramewiseDisplacementThreshold"  # keys of Software.boldglm
DUMMY_SCANS = "DummyScans"
CONVOLVE_MODELS = ("spm", "glover", "fir", "textbook")


@dataclass(frozen=True)
class ContrastSpec:
    """A contrast over named design columns; `weights` has one row (t) or several (F)."""

    name: str
    columns: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    test: str  # "t" or "F"


@dataclass(frozen=True)
class Model:
    """What one analysis of one task does at each level.

    `conditions` are trial types; their design columns carry the prefix `trial_type.`.
    `confounds` says which columns of the confounds tables join them, and what is censored.
    """

    name: str
    task: str | None
    conditions: tuple[str, ...]
    hrf_model: str = "spm"
    fir_delays: tuple[float, ...] | None = None
    high_pass: float | None = 128.0  # period in seconds
    confounds: ConfoundChoices = field(default_factory=ConfoundChoices)
    modulators: tuple[Modulator, ...] = ()
    orthogonalize: tuple[tuple[str, tuple[str, ...]], ...] = ()
    contrasts: tuple[ContrastSpec, ...] = ()
    noise_model: str = "auto"
    signal_scaling: str = "percent"
    smoothing: float | None = None  # FWHM in mm
    run_node: str = "run"
    subject_node: str | None = "subject"
    dataset_node: str | None = "dataset"
    source: dict = field(default_factory=dict, compare=False)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the conditions as design variables."""
        return tuple(PREFIX + name for name in self.conditions)


def read_model(path: Path) -> Model:
    """Read a BIDS Stats Model file.

    Raises
    ------
    MissingInputError
        If it cannot be read.
    BadDataError
        If it is not JSON, not a BIDS Stats Model, or asks for what this version cannot do; the
        message gives the JSON path.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"The model {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadDataError(f"The model {path} is not JSON: {error}.") from error
    return parse_model(content, path.name)


def parse_model(content: Any, file_name: str = "model") -> Model:
    """Turn the content of a BIDS Stats Model file into a `Model`.

    Understood are the models that a default run saves and their relatives: a Run node with
    Factor and Convolve, t and F contrasts, a `meta` Subject node and a `glm` Dataset node,
    both with X [1].
    """
    return _Reader(content, file_name).model()


class _Reader:
    """Walks a model file and remembers where it is, for the messages."""

    def __init__(self, content: Any, file_name: str) -> None:
        self.content = content
        self.file_name = file_name

    def refuse(self, path: str, found: str, remedy: str) -> NoReturn:
        raise BadDataError(f"{self.file_name}, at {path}: {found}. {remedy}")

    def model(self) -> Model:
        if not isinstance(self.content, dict):
            self.refuse("$", "the file holds no JSON object", "Is it a BIDS Stats Model?")
        if "Steps" in self.content:
            self.refuse(
                "$.Steps",
                "this is the old form of the specification (Steps)",
                "Write Nodes instead: see bids-standard.github.io/stats-models.",
            )
        for key in ("Name", "BIDSModelVersion", "Nodes"):
            if key not in self.content:
                self.refuse("$", f"{key} is missing", "The specification requires it.")
        if "Edges" in self.content:
            self.refuse("$.Edges", "edges are not supported yet", "Leave them out: nodes chain.")
        nodes = self.content["Nodes"]
        levels = [str(node.get("Level", "")).lower() for node in nodes]
        if levels not in (["run"], ["run", "subject"], ["run", "subject", "dataset"]):
            self.refuse(
                "$.Nodes",
                f"the levels are {levels}",
                "This version runs Run, then Subject, then Dataset.",
            )
        for index, node in enumerate(nodes[1:], start=1):
            self._check_upper(node, f"$.Nodes[{index}]")
        names = [str(node.get("Name") or node["Level"].lower()) for node in nodes]
        return self._run_node(nodes[0], names + [None] * (3 - len(names)))

    def _check_upper(self, node: dict, path: str) -> None:
        wanted = "meta" if node["Level"].lower() == "subject" else "glm"
        model = node.get("Model", {})
        if str(model.get("Type", "")).lower() != wanted:
            self.refuse(
                f"{path}.Model.Type",
                f"{model.get('Type')!r} at level {node['Level']}",
                f"This version does {wanted!r} there "
                + ("(fixed effects over runs)." if wanted == "meta" else "(one-sample t)."),
            )
        if model.get("X") != [1]:
            self.refuse(f"{path}.Model.X", f"{model.get('X')}", "This version needs [1] there.")
        for key in ("Transformations", "Contrasts"):
            if node.get(key):
                self.refuse(f"{path}.{key}", "not supported yet at this level", "Leave it out.")
        if "DummyContrasts" not in node:
            self.refuse(path, "DummyContrasts is missing", 'Add {"Test": "t"}.')

    def _run_node(self, node: dict, names: list) -> Model:
        path = "$.Nodes[0]"
        model = node.get("Model", {})
        if str(model.get("Type", "")).lower() != "glm":
            self.refuse(f"{path}.Model.Type", f"{model.get('Type')!r}", "A Run node needs 'glm'.")
        for key in ("HRF", "Formula"):
            if key in model:
                self.refuse(f"{path}.Model.{key}", "not supported yet", "Use Convolve and X.")
        conditions, hrf_model, delays = self._transformations(node, model)
        options = model.get("Options", {})
        for key in options:
            if key != "HighPassFilterCutoffHz":
                self.refuse(f"{path}.Model.Options.{key}", "not supported yet", "Leave it out.")
        cutoff = options.get("HighPassFilterCutoffHz")
        own = model.get("Software", {}).get("boldglm", {})
        self._check_own(own, f"{path}.Model.Software.boldglm")
        confounds = self._confounds(model, conditions, own)
        if has_cosines(confounds.columns) and cutoff:
            self.refuse(
                f"{path}.Model.Options.HighPassFilterCutoffHz",
                "X has cosine columns of the confounds, which are a high-pass filter already",
                "Leave out one of the two.",
            )
        task = self.content.get("Input", {}).get("task")
        return Model(
            name=str(self.content["Name"]),
            task=task[0] if task else None,
            conditions=conditions,
            hrf_model=hrf_model,
            fir_delays=delays,
            high_pass=1 / cutoff if cutoff else None,
            confounds=confounds,
            modulators=self._modulators(own, conditions),
            orthogonalize=tuple(
                (rule["Regressor"], tuple(rule["Against"]))
                for rule in own.get("Orthogonalize", [])
            ),
            contrasts=self._contrasts(node, model),
            noise_model=own.get("NoiseModel", "auto"),
            signal_scaling=own.get("SignalScaling", "percent"),
            smoothing=own.get("SmoothingFWHM"),
            run_node=names[0],
            subject_node=names[1],
            dataset_node=names[2],
            source=self.content,
        )

    def _modulators(self, own: dict, conditions: tuple[str, ...]) -> tuple[Modulator, ...]:
        """Read the columns of the events that scale responses."""
        path = "$.Nodes[0].Model.Software.boldglm.Modulators"
        found = []
        for index, one in enumerate(own.get("Modulators", [])):
            order = one.get("Order", 1)
            if one.get("Condition") not in conditions or not one.get("Column"):
                self.refuse(
                    f"{path}[{index}]",
                    f"found {one}",
                    f"Give a Column and a Condition of {', '.join(conditions)}.",
                )
            if order not in ORDERS:
                self.refuse(f"{path}[{index}].Order", f"{order!r}", "Known: 1, 2, 3.")
            found.append(Modulator(one["Condition"], one["Column"], order))
        return tuple(found)

    def _check_own(self, own: dict, path: str) -> None:
        allowed = (
            *("NoiseModel", "SignalScaling", "SmoothingFWHM", "Orthogonalize", "Modulators"),
            *(FD_THRESHOLD, DUMMY_SCANS),
        )
        for key in own:
            if key not in allowed:
                self.refuse(
                    f"{path}.{key}", "unknown", f"Known: {allowed}.{nearest(key, allowed)}"
                )
        choices = (("NoiseModel", NOISE_MODELS), ("SignalScaling", SIGNAL_SCALINGS))
        for key, known in choices:
            if own.get(key, known[0]) not in known:
                self.refuse(f"{path}.{key}", f"{own[key]!r}", f"Known: {', '.join(known)}.")
        width = own.get("SmoothingFWHM")
        number = isinstance(width, int | float) and not isinstance(width, bool)
        if width is not None and not (number and 0 < width < float("inf")):
            self.refuse(
                f"{path}.SmoothingFWHM", f"{width!r}", "It is a width in mm above 0, or null."
            )
        threshold, dummies = own.get(FD_THRESHOLD), own.get(DUMMY_SCANS, 0)
        if threshold is not None and not (isinstance(threshold, int | float) and threshold > 0):
            self.refuse(f"{path}.{FD_THRESHOLD}", f"{threshold!r}", "Give millimeters above 0.")
        if not isinstance(dummies, int) or dummies < 0:
            self.refuse(f"{path}.{DUMMY_SCANS}", f"{dummies!r}", "Give a number of scans.")

    def _transformations(
        self, node: dict, model: dict
    ) -> tuple[tuple[str, ...], str, tuple[float, ...] | None]:
        """Read Factor and Convolve: the conditions, the HRF and the FIR delays."""
        path = "$.Nodes[0].Transformations"
        instructions = node.get("Transformations", {}).get("Instructions", [])
        names = [str(one.get("Name", "")) for one in instructions]
        for index, name in enumerate(names):
            if name not in ("Factor", "Convolve"):
                self.refuse(
                    f"{path}.Instructions[{index}]",
                    f"the transformation {name!r} is not supported yet",
                    "This version does Factor and Convolve.",
                )
        if sorted(names) != ["Convolve", "Factor"]:
            self.refuse(path, f"found {names}", "One Factor and one Convolve are needed.")
        factor, convolve = (
            instructions[names.index("Factor")],
            instructions[names.index("Convolve")],
        )
        if factor.get("Input") != ["trial_type"]:
            self.refuse(path, f"Factor of {factor.get('Input')}", "Only trial_type is supported.")
        inputs = convolve.get("Input", [])
        unknown = [name for name in inputs if not name.startswith(PREFIX) or "*" in name]
        if unknown or not inputs:
            self.refuse(
                path, f"Convolve of {inputs}", f"List the conditions, each as {PREFIX}<name>."
            )
        kind = convolve.get("Model", "spm")
        if kind not in CONVOLVE_MODELS:
            self.refuse(path, f"Convolve with {kind!r}", f"Known: {', '.join(CONVOLVE_MODELS)}.")
        for suffix in ("Derivative", "Dispersion"):
            if convolve.get(suffix):
                kind += f" + {suffix.lower()}"
        delays = tuple(convolve["FirDelays"]) if convolve.get("FirDelays") else None
        if 1 not in model.get("X", []):
            self.refuse("$.Nodes[0].Model.X", "there is no constant", "Add 1 to X.")
        return tuple(name.removeprefix(PREFIX) for name in inputs), kind, delays

    def _confounds(self, model: dict, conditions: tuple[str, ...], own: dict) -> ConfoundChoices:
        """Read what X lists beside the conditions: columns and patterns of confounds tables."""
        inputs = [PREFIX + name for name in conditions]
        confounds = []
        for name in model.get("X", []):
            if name == 1 or any(str(name).startswith(one) for one in inputs):
                continue
            if not isinstance(name, str) or name.startswith(PREFIX):
                self.refuse(
                    "$.Nodes[0].Model.X",
                    f"{name!r} is none of the convolved conditions",
                    f"There are {', '.join(inputs)}.{nearest(str(name), inputs)}",
                )
            confounds.append(name)
        return ConfoundChoices(tuple(confounds), own.get(FD_THRESHOLD), own.get(DUMMY_SCANS, 0))

    def _contrasts(self, node: dict, model: dict) -> tuple[ContrastSpec, ...]:
        listed = [name for name in model.get("X", []) if name != 1]
        # a condition may be called 'go [left]'; only confounds have wildcards
        columns = [name for name in listed if name.startswith(PREFIX) or not is_pattern(name)]
        conditions = [name for name in columns if name.startswith(PREFIX)]
        specs = []
        for index, one in enumerate(node.get("Contrasts", [])):
            specs.append(self._contrast(one, f"$.Nodes[0].Contrasts[{index}]", columns))
        dummy = node.get("DummyContrasts")
        one_hot = (dummy or {}).get("Contrasts", conditions if dummy else [])
        specs += [ContrastSpec(name, (name,), ((1.0,),), "t") for name in one_hot]
        names = [spec.name for spec in specs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            self.refuse("$.Nodes[0].Contrasts", f"{repeated[0]!r} is defined twice", "Rename one.")
        return tuple(specs)

    def _contrast(self, one: dict, path: str, columns: list[str]) -> ContrastSpec:
        for key in ("Name", "ConditionList", "Weights", "Test"):
            if key not in one:
                self.refuse(path, f"{key} is missing", "A contrast needs it.")
        if one["Test"] not in ("t", "F"):
            self.refuse(f"{path}.Test", f"{one['Test']!r}", "This version does 't' and 'F'.")
        for name in one["ConditionList"]:
            if name not in columns:
                self.refuse(
                    f"{path}.ConditionList",
                    f"{name!r} is not in X",
                    f"There are {', '.join(columns)}.{nearest(str(name), columns)}",
                )
        weights = one["Weights"]
        rows = weights if weights and isinstance(weights[0], list) else [weights]
        if any(len(row) != len(one["ConditionList"]) for row in rows):
            self.refuse(
                f"{path}.Weights",
                f"{weights} for {len(one['ConditionList'])} conditions",
                "Give one weight for each condition of ConditionList, in every row.",
            )
        if one["Test"] == "t" and len(rows) != 1:
            self.refuse(f"{path}.Weights", f"{len(rows)} rows for a t test", "Use Test 'F'.")
        return ContrastSpec(
            str(one["Name"]),
            tuple(one["ConditionList"]),
            tuple(tuple(self._number(value, path) for value in row) for row in rows),
            one["Test"],
        )

    def _number(self, value: Any, path: str) -> float:
        try:
            return float(Fraction(value)) if isinstance(value, str) else float(value)
        except (ValueError, TypeError, ZeroDivisionError):
            self.refuse(f"{path}.Weights", f"{value!r} is no number", "Write 0.5 or '1/2'.")
