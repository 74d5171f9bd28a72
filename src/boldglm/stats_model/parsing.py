"""From the content of a BIDS Stats Model file to checked values.

Stricter than the published schema, whose types alone let misspelt keys and dangling names pass,
and tolerant, with a note, of the older spellings that public models have. Every refusal gives
JSON path, finding and remedy.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from boldglm.stats_model.graph_checks import check_edges
from boldglm.stats_model.json_paths import JSONReader, shown
from boldglm.stats_model.specification import (
    LEVELS,
    ContrastSpec,
    DummyContrastsSpec,
    EdgeSpec,
    HRFSpec,
    NodeSpec,
    StatsModel,
    Term,
)
from boldglm.suggestions import did_you_mean

TRANSFORMER = "pybids-transforms-v1"
TOP_KEYS = ("Name", "BIDSModelVersion", "Description", "Input", "Nodes", "Edges")
NODE_KEYS = (
    *("Level", "Name", "GroupBy", "Transformations", "Model", "Contrasts", "DummyContrasts"),
    "Description",
)
MODEL_KEYS = ("Type", "X", "Formula", "HRF", "Options", "Software", "Description")
UNUSED_MODEL_KEYS = ("VarianceComponents", "ErrorDistribution")
OPTION_KEYS = ("HighPassFilterCutoffHz", "LowPassFilterCutoffHz", "Description")
UNSUPPORTED_OPTIONS = ("ReplaceVariables", "Aggregate")
BRAIN_MASK = {"desc": "brain", "suffix": "mask"}  # what Options.Mask may ask for
CONTRAST_KEYS = ("Name", "ConditionList", "Weights", "Test", "Description")
DEFAULT_GROUPS = {
    "run": ("run", "session", "subject"),
    "session": ("session", "subject", "contrast"),
    "subject": ("subject", "contrast"),
    "dataset": ("contrast",),
}
TESTS = ("t", "F", "pass")


def parse_stats_model(content: Any, file_name: str = "model") -> StatsModel:
    """Check the content of a model file and return it as values.

    Parameters
    ----------
    content : object
        What the JSON holds.
    file_name : str
        For messages.

    Returns
    -------
    StatsModel

    Raises
    ------
    BadDataError
        For the first thing that is wrong: ``<file>, at <JSON path>: <finding>. <remedy>``.

    Examples
    --------
    >>> model = parse_stats_model({
    ...     "Name": "m", "BIDSModelVersion": "1.0.0",
    ...     "Nodes": [{"Level": "Run", "Name": "run", "GroupBy": ["run", "subject"],
    ...                "Model": {"Type": "glm", "X": ["trial_type.go", 1]},
    ...                "DummyContrasts": {"Test": "t"}}]})
    >>> model.root.x
    ('trial_type.go', 1)
    """
    return _Reader(file_name).model(content)


class _Reader(JSONReader):
    """Turns content into values, from the file down to a contrast."""

    def model(self, content: Any) -> StatsModel:
        if not isinstance(content, dict):
            self.refuse("$", "the file holds no JSON object", "Is it a BIDS Stats Model?")
        if "Steps" in content:
            self.refuse(
                "$.Steps",
                "this is the old form of the specification (Steps)",
                "Write Nodes instead: see bids-standard.github.io/stats-models.",
            )
        self.check_keys(content, TOP_KEYS, "$")
        for key in ("Name", "Nodes"):
            if not content.get(key):
                self.refuse("$", f"{key} is missing", "The specification requires it.")
        self.text(content["Name"], "$.Name")
        if "BIDSModelVersion" not in content:
            self.note("$", "BIDSModelVersion is missing; read as version 1.0.0")
        nodes = tuple(
            self.node(node, f"$.Nodes[{index}]")
            for index, node in enumerate(self.list(content["Nodes"], "$.Nodes"))
        )
        edges = self.edges(content, nodes)
        check_edges(nodes, edges, self.refuse)
        return StatsModel(
            name=str(content["Name"]),
            nodes=nodes,
            edges=edges,
            input=self.input(content.get("Input", {})),
            notes=tuple(self.notes),
            source=content,
        )

    def input(self, content: Any) -> dict[str, tuple[str, ...]]:
        selected = {}
        for key, values in self.object(content, "$.Input").items():
            listed = self.list(values, f"$.Input.{key}")
            selected[str(key)] = tuple(str(value) for value in listed)
        return selected

    def edges(self, content: dict[str, Any], nodes: Sequence[NodeSpec]) -> tuple[EdgeSpec, ...]:
        if not content.get("Edges"):
            pairs = pairwise(nodes)
            return tuple(EdgeSpec(one.name, other.name) for one, other in pairs)
        edges = []
        for index, edge in enumerate(self.list(content["Edges"], "$.Edges")):
            path = f"$.Edges[{index}]"
            edge = self.object(edge, path)
            self.check_keys(edge, ("Source", "Destination", "Filter"), path)
            for key in ("Source", "Destination"):
                if key not in edge:
                    self.refuse(path, f"{key} is missing", "Name a node.")
            filters = {
                str(key): tuple(str(one) for one in self.list(values, f"{path}.Filter.{key}"))
                for key, values in self.object(edge.get("Filter") or {}, f"{path}.Filter").items()
            }
            edges.append(EdgeSpec(str(edge["Source"]), str(edge["Destination"]), filters))
        return tuple(edges)

    def node(self, content: Any, path: str) -> NodeSpec:
        content = self.object(content, path)
        self.check_keys(content, NODE_KEYS, path)
        level = self.level(content, path)
        model = self.object(content.get("Model", {}), f"{path}.Model")
        kind = self.type(model, level, f"{path}.Model")
        options = self.options(model, level, f"{path}.Model")
        x = self.terms(model, f"{path}.Model.X")
        group_by = content.get("GroupBy")
        if group_by is None:
            group_by = list(DEFAULT_GROUPS[level])
            self.note(f"{path}.GroupBy", f"missing; read as {group_by}")
        dummy = self.dummy(content.get("DummyContrasts"), f"{path}.DummyContrasts")
        return NodeSpec(
            name=self.text(content.get("Name") or level, f"{path}.Name"),
            level=level,
            group_by=tuple(str(one) for one in self.list(group_by, f"{path}.GroupBy")),
            type=kind,
            x=x,
            instructions=self.instructions(content.get("Transformations"), path),
            contrasts=self.contrasts(content.get("Contrasts") or [], path),
            dummy_contrasts=dummy,
            hrf=self.hrf(model.get("HRF"), f"{path}.Model.HRF", level),
            formula=str(model["Formula"]) if model.get("Formula") else None,
            options=options,
            software=self.object(model.get("Software") or {}, f"{path}.Model.Software"),
            path=path,
        )

    def level(self, content: dict[str, Any], path: str) -> str:
        level = str(content.get("Level", ""))
        if level.lower() not in LEVELS:
            names = [one.capitalize() for one in LEVELS]
            self.refuse(
                f"{path}.Level", f"found {level!r}", f"Known: {', '.join(names)}."
                f"{did_you_mean(level.capitalize(), names)}",
            )  # fmt: skip
        if level != level.capitalize():
            self.note(f"{path}.Level", f"{level!r} is read as {level.capitalize()!r}")
        return level.lower()

    def type(self, model: dict[str, Any], level: str, path: str) -> str:
        self.check_keys(model, (*MODEL_KEYS, *UNUSED_MODEL_KEYS), path)
        for key in UNUSED_MODEL_KEYS:
            if key in model:
                self.note(f"{path}.{key}", "is no part of the specification and is not used")
        kind = model.get("Type")
        if kind is None:
            kind = "glm"
            self.note(f"{path}.Type", "missing; read as 'glm'")
        if str(kind).lower() not in ("glm", "meta"):
            self.refuse(f"{path}.Type", f"found {kind!r}", "Known: glm, meta.")
        if level == "run" and str(kind).lower() == "meta":
            self.refuse(f"{path}.Type", "'meta' at a Run node", "A run is fitted by 'glm'.")
        return str(kind).lower()

    def options(self, model: dict[str, Any], level: str, path: str) -> dict[str, Any]:
        options = self.object(model.get("Options") or {}, f"{path}.Options")
        for key in UNSUPPORTED_OPTIONS:
            if options.get(key) not in (None, "none", {}, []):
                self.refuse(f"{path}.Options.{key}", "not supported", _OPTION_REMEDIES[key])
        self.check_keys(options, (*OPTION_KEYS, "Mask", *UNSUPPORTED_OPTIONS), f"{path}.Options")
        self.mask(options.get("Mask"), f"{path}.Options.Mask")
        for key in ("HighPassFilterCutoffHz", "LowPassFilterCutoffHz"):
            value = options.get(key)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value < float("inf")):
                self.refuse(f"{path}.Options.{key}", f"found {value!r}", "Give a frequency in Hz.")
            if value is not None and level != "run":
                self.refuse(f"{path}.Options.{key}", f"at level {level}", "Only a run has time.")
        return options

    def mask(self, content: Any, path: str) -> None:
        """Accept the brain mask, which is what a run is fitted in; refuse any other."""
        for key, value in self.object(content or {}, path).items():
            if self.list(value, f"{path}.{key}") != [BRAIN_MASK.get(key)]:
                self.refuse(
                    f"{path}.{key}",
                    f"found {shown(value)}",
                    "Runs are fitted in their brain mask (desc brain, suffix mask); give another "
                    "with --mask.",
                )

    def terms(self, model: dict[str, Any], path: str) -> tuple[Term, ...]:
        if "X" not in model:
            self.refuse(path, "X is missing", "List the columns of the design.")
        terms: list[Term] = []
        for index, term in enumerate(self.list(model["X"], path)):
            if term in (1, "1") and not isinstance(term, bool):
                terms.append(1)
            elif isinstance(term, str) and term:
                terms.append(term)
            else:
                self.refuse(f"{path}[{index}]", f"found {shown(term)}", "Give a name or 1.")
        if not terms:
            self.refuse(path, "X is empty", "List the columns of the design.")
        return tuple(terms)

    def instructions(self, content: Any, path: str) -> tuple[dict[str, Any], ...]:
        path = f"{path}.Transformations"
        if content is None:
            return ()
        if isinstance(content, list):
            self.note(path, "a plain list is read as Instructions")
            content = {"Transformer": TRANSFORMER, "Instructions": content}
        content = self.object(content, path)
        self.check_keys(content, ("Transformer", "Instructions", "Description"), path)
        transformer = content.get("Transformer", TRANSFORMER)
        if transformer != TRANSFORMER:
            self.refuse(f"{path}.Transformer", f"found {transformer!r}", f"Known: {TRANSFORMER}.")
        listed = self.list(content.get("Instructions", []), f"{path}.Instructions")
        return tuple(
            dict(self.object(one, f"{path}.Instructions[{index}]"))
            for index, one in enumerate(listed)
        )

    def hrf(self, content: Any, path: str, level: str) -> HRFSpec | None:
        if content is None:
            return None
        content = self.object(content, path)
        self.check_keys(content, ("Variables", "Model", "Parameters"), path)
        if level != "run":
            self.refuse(path, f"an HRF at level {level}", "Only a run has time.")
        for key in ("Variables", "Model"):
            if key not in content:
                self.refuse(path, f"{key} is missing", "The specification requires it.")
        variables = self.list(content["Variables"], f"{path}.Variables")
        return HRFSpec(
            tuple(str(one) for one in variables),
            str(content["Model"]),
            self.object(content.get("Parameters") or {}, f"{path}.Parameters"),
        )

    def contrasts(self, content: Any, path: str) -> tuple[ContrastSpec, ...]:
        listed = self.list(content, f"{path}.Contrasts")
        specs = [
            self.contrast(one, f"{path}.Contrasts[{index}]") for index, one in enumerate(listed)
        ]
        names = [spec.name for spec in specs]
        for name in names:
            if names.count(name) > 1:
                self.refuse(f"{path}.Contrasts", f"{name!r} is defined twice", "Rename one.")
        return tuple(specs)

    def contrast(self, content: Any, path: str) -> ContrastSpec:
        content = dict(self.object(content, path))
        for old, new in (("Type", "Test"), ("Condition_list", "ConditionList")):
            if old in content and new not in content:
                content[new] = content.pop(old)
                self.note(f"{path}.{old}", f"an older spelling, read as {new}")
        self.check_keys(content, CONTRAST_KEYS, path)
        for key in ("Name", "ConditionList", "Weights"):
            if key not in content:
                self.refuse(path, f"{key} is missing", "A contrast needs it.")
        columns = self.conditions(content["ConditionList"], f"{path}.ConditionList")
        for name in columns:
            if columns.count(name) > 1:
                self.refuse(
                    f"{path}.ConditionList", f"{name!r} is there twice", "Add its weights."
                )
        weights = content["Weights"]
        rows = weights if isinstance(weights, list) and weights else [weights]
        rows = rows if isinstance(rows[0], list) else [rows]
        if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
            self.refuse(
                f"{path}.Weights",
                f"{weights} for {len(columns)} conditions",
                "Give one weight for each condition of ConditionList, in every row.",
            )
        test = self.test(content.get("Test"), path)
        if test != "F" and len(rows) != 1:
            self.refuse(f"{path}.Weights", f"{len(rows)} rows for a {test} test", "Use Test 'F'.")
        values = tuple(tuple(self.number(one, f"{path}.Weights") for one in row) for row in rows)
        if any(not any(row) for row in values):
            self.refuse(f"{path}.Weights", f"{weights} has only zeros", "Give some weight.")
        name = self.text(content["Name"], f"{path}.Name")
        return ContrastSpec(name, tuple(columns), values, test)

    def conditions(self, content: Any, path: str) -> list[str]:
        columns: list[str] = []
        for index, name in enumerate(self.list(content, path)):
            if name != 1 and not isinstance(name, str):
                self.refuse(f"{path}[{index}]", shown(name), "Give a name or 1.")
            if str(name) in columns:
                self.refuse(path, f"{name!r} is there twice", "Add its weights.")
            columns.append(str(name))
        return columns

    def test(self, value: Any, path: str) -> str:
        if value is None:
            self.note(f"{path}.Test", "missing; read as 't'")
            return "t"
        if value == "FEMA":
            self.note(
                f"{path}.Test", "'FEMA' (fixed effects meta-analysis), an older spelling, is read "
                "as 't'; the node's Type says how inputs are weighted",
            )  # fmt: skip
            return "t"
        known = {one.lower(): one for one in TESTS}
        if str(value).lower() not in known:
            self.refuse(f"{path}.Test", f"found {shown(value)}", f"Known: {', '.join(TESTS)}.")
        return known[str(value).lower()]

    def dummy(self, content: Any, path: str) -> DummyContrastsSpec | None:
        if content is None or content is False:
            return None
        content = dict(self.object(content, path))
        for old in ("Conditions", "ConditionList"):
            if old in content:
                content["Contrasts"] = content.pop(old)
                self.note(f"{path}.{old}", "an older spelling, read as Contrasts")
        self.check_keys(content, ("Contrasts", "Test", "Description"), path)
        listed = content.get("Contrasts")
        if listed is None:
            return DummyContrastsSpec(None, self.test(content.get("Test"), path))
        names = self.list(listed, f"{path}.Contrasts")
        return DummyContrastsSpec(
            tuple(1 if one in (1, "1") else str(one) for one in names),
            self.test(content.get("Test"), path),
        )


_OPTION_REMEDIES = {
    "ReplaceVariables": "Write the variables in X.",
    "Aggregate": "boldglm fits every voxel; average afterwards.",
}
