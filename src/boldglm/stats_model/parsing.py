"""Parse and check the content of a BIDS Stats Model file.

Stricter than the published schema, which accepts misspelled keys and edges between nodes that
do not exist. The older spellings that public models use are accepted with a note. Every error
message gives the JSON path, the finding and the remedy.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from boldglm.stats_model.entity_names import entity_name
from boldglm.stats_model.graph_checks import check_graph
from boldglm.stats_model.implied_factors import with_implied_factors
from boldglm.stats_model.json_paths import JSONReader, abbreviated
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
from boldglm.stats_model.transformations import TRANSFORMATIONS, is_known_transformation
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
BRAIN_MASK = {"desc": "brain", "suffix": "mask"}  # the only Options.Mask that is supported
CONTRAST_KEYS = ("Name", "ConditionList", "Weights", "Test", "Description")
DEFAULT_GROUPS = {
    "run": ("run", "session", "subject"),
    "session": ("session", "subject", "contrast"),
    "subject": ("subject", "contrast"),
    "dataset": ("contrast",),
}
TESTS = ("t", "F", "pass")


def parse_stats_model(content: Any, file_name: str = "model") -> StatsModel:
    """Check the content of a model file and return it as a `StatsModel`.

    Parameters
    ----------
    content : object
        The decoded JSON.
    file_name : str
        Name of the file, for messages.

    Returns
    -------
    StatsModel

    Raises
    ------
    BadDataError
        At the first mistake: ``<file>, at <JSON path>: <finding>. <remedy>``.

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
    return _ModelReader(file_name).model(content)


class _ModelReader(JSONReader):
    """Parses the content of a file, from the model down to its contrasts."""

    def model(self, content: Any) -> StatsModel:
        if not isinstance(content, dict):
            self.refuse(
                "$", "the file holds no JSON object", "Pass the file of a BIDS Stats Model."
            )
        if "Steps" in content:
            self.refuse(
                "$.Steps",
                "the file follows an old draft of the specification, which had Steps",
                "Write Nodes instead (see bids-standard.github.io/stats-models).",
            )
        self.check_keys(content, TOP_KEYS, "$")
        for key in ("Name", "Nodes"):
            if not content.get(key):
                self.refuse("$", f"{key} is missing", f"Add {key}.")
        self.text(content["Name"], "$.Name")
        if "BIDSModelVersion" not in content:
            self.note("$", "BIDSModelVersion is missing; the file is read as version 1.0.0")
        nodes = tuple(
            self.node(node, f"$.Nodes[{index}]")
            for index, node in enumerate(self.list(content["Nodes"], "$.Nodes"))
        )
        edges = self.edges(content, nodes)
        check_graph(nodes, edges, self.refuse)
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
            name = self.entity(key, f"$.Input.{key}")
            if name in selected:
                self.refuse(
                    f"$.Input.{key}",
                    f"{name!r} is selected twice, under two names",
                    "Write all its values under one.",
                )
            selected[name] = tuple(str(value) for value in listed)
        return selected

    def entity(self, name: Any, path: str) -> str:
        """Return the long name of an entity, with a note if the file has another name."""
        long_name = entity_name(str(name))
        if long_name != name:
            self.note(path, f"{name!r} is read as {long_name!r}")
        return long_name

    def edges(self, content: dict[str, Any], nodes: Sequence[NodeSpec]) -> tuple[EdgeSpec, ...]:
        if not content.get("Edges"):
            pairs = pairwise(nodes)
            return tuple(EdgeSpec(source.name, destination.name) for source, destination in pairs)
        edges = []
        for index, edge in enumerate(self.list(content["Edges"], "$.Edges")):
            path = f"$.Edges[{index}]"
            edge = self.object(edge, path)
            self.check_keys(edge, ("Source", "Destination", "Filter"), path)
            for key in ("Source", "Destination"):
                if key not in edge:
                    self.refuse(path, f"{key} is missing", f"Add {key}: the name of a node.")
            filters = {
                self.entity(key, f"{path}.Filter.{key}"): tuple(
                    str(value) for value in self.list(values, f"{path}.Filter.{key}")
                )
                for key, values in self.object(edge.get("Filter") or {}, f"{path}.Filter").items()
            }
            edges.append(EdgeSpec(str(edge["Source"]), str(edge["Destination"]), filters))
        return tuple(edges)

    def node(self, content: Any, path: str) -> NodeSpec:
        content = self.object(content, path)
        self.check_keys(content, NODE_KEYS, path)
        level = self.level(content, path)
        model = self.object(content.get("Model", {}), f"{path}.Model")
        model_type = self.type(model, level, f"{path}.Model")
        options = self.options(model, level, f"{path}.Model")
        x = self.terms(model, f"{path}.Model.X")
        group_by = content.get("GroupBy")
        if group_by is None:
            group_by = list(DEFAULT_GROUPS[level])
            self.note(f"{path}.GroupBy", f"the key is missing; inputs are grouped by {group_by}")
        dummy_contrasts = self.dummy_contrasts(
            content.get("DummyContrasts"), f"{path}.DummyContrasts"
        )
        instructions = self.instructions(content.get("Transformations"), path)
        hrf = self.hrf(model.get("HRF"), f"{path}.Model.HRF", level)
        formula = str(model["Formula"]) if model.get("Formula") else None
        if level == "run":
            terms = [str(term) for term in x if term != 1]
            convolved = () if hrf is None else hrf.variables
            instructions = self.implied_factors(instructions, terms, convolved, path)
        contrasts = self.contrasts(content.get("Contrasts") or [], path)
        if level == "run":
            contrasts = tuple(self.full_names(spec, x, path) for spec in contrasts)
        return NodeSpec(
            name=self.text(content.get("Name") or level, f"{path}.Name"),
            level=level,
            group_by=tuple(
                self.entity(key, f"{path}.GroupBy[{index}]")
                for index, key in enumerate(self.list(group_by, f"{path}.GroupBy"))
            ),
            type=model_type,
            x=x,
            instructions=instructions,
            contrasts=contrasts,
            dummy_contrasts=dummy_contrasts,
            hrf=hrf,
            formula=formula,
            options=options,
            software=self.software(model.get("Software") or {}, f"{path}.Model.Software"),
            path=path,
        )

    def level(self, content: dict[str, Any], path: str) -> str:
        level = str(content.get("Level", ""))
        if level.lower() not in LEVELS:
            names = [name.capitalize() for name in LEVELS]
            self.refuse(
                f"{path}.Level", f"found {level!r}", f"Known levels: {', '.join(names)}."
                f"{did_you_mean(level.capitalize(), names)}",
            )  # fmt: skip
        if level != level.capitalize():
            self.note(f"{path}.Level", f"{level!r} is read as {level.capitalize()!r}")
        return level.lower()

    def type(self, model: dict[str, Any], level: str, path: str) -> str:
        self.check_keys(model, (*MODEL_KEYS, *UNUSED_MODEL_KEYS), path)
        for key in UNUSED_MODEL_KEYS:
            if key in model:
                self.note(f"{path}.{key}", "boldglm ignores this key")
        model_type = model.get("Type")
        if model_type is None:
            model_type = "glm"
            self.note(f"{path}.Type", "the key is missing; it is read as 'glm'")
        if str(model_type).lower() not in ("glm", "meta"):
            self.refuse(f"{path}.Type", f"found {model_type!r}", "Known types: glm, meta.")
        if level == "run" and str(model_type).lower() == "meta":
            self.refuse(
                f"{path}.Type",
                "found 'meta' at a Run node",
                "Write 'glm': meta-analysis combines the results of several runs.",
            )
        return str(model_type).lower()

    def options(self, model: dict[str, Any], level: str, path: str) -> dict[str, Any]:
        options = self.object(model.get("Options") or {}, f"{path}.Options")
        for key in UNSUPPORTED_OPTIONS:
            if options.get(key) not in (None, "none", {}, []):
                self.refuse(
                    f"{path}.Options.{key}",
                    "boldglm does not support this option",
                    _OPTION_REMEDIES[key],
                )
        self.check_keys(options, (*OPTION_KEYS, "Mask", *UNSUPPORTED_OPTIONS), f"{path}.Options")
        self.mask(options.get("Mask"), f"{path}.Options.Mask")
        used = dict(options)
        for key in ("HighPassFilterCutoffHz", "LowPassFilterCutoffHz"):
            value = options.get(key)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 < value < float("inf")):
                self.refuse(
                    f"{path}.Options.{key}",
                    f"found {value!r}",
                    "Write a frequency in Hz, a number above 0.",
                )
            if value is not None and level != "run":
                self.note(
                    f"{path}.Options.{key}",
                    f"the filter at the {level} level is ignored, because only runs are time "
                    "series. Write it at the Run node to filter the runs",
                )
                del used[key]
        return used

    def mask(self, content: Any, path: str) -> None:
        """Accept the brain mask, within which every run is fitted; refuse any other mask."""
        for key, value in self.object(content or {}, path).items():
            if self.list(value, f"{path}.{key}") != [BRAIN_MASK.get(key)]:
                self.refuse(
                    f"{path}.{key}",
                    f"found {abbreviated(value)}",
                    "Runs are fitted within their brain mask (desc brain, suffix mask). Remove "
                    "the key, and pass another mask with --mask.",
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
                self.refuse(
                    f"{path}[{index}]",
                    f"found {abbreviated(term)}",
                    "Write the name of a variable, or 1 for the constant.",
                )
        if not terms:
            self.refuse(path, "X is empty", "List the columns of the design.")
        return tuple(terms)

    def instructions(self, content: Any, path: str) -> tuple[dict[str, Any], ...]:
        path = f"{path}.Transformations"
        if content is None:
            return ()
        if isinstance(content, list):
            self.note(path, "the list is read as Instructions")
            content = {"Transformer": TRANSFORMER, "Instructions": content}
        content = self.object(content, path)
        self.check_keys(content, ("Transformer", "Instructions", "Description"), path)
        listed = self.list(content.get("Instructions", []), f"{path}.Instructions")
        instructions = tuple(
            dict(self.object(instruction, f"{path}.Instructions[{index}]"))
            for index, instruction in enumerate(listed)
        )
        transformer = content.get("Transformer") or TRANSFORMER
        self.transformer(transformer, instructions, f"{path}.Transformer")
        return instructions

    def transformer(self, name: Any, instructions: Sequence[dict[str, Any]], path: str) -> None:
        """Accept a transformer of another name, if all its instructions are known."""
        if name == TRANSFORMER:
            return
        name = self.text(name, path)
        kinds = [str(instruction.get("Name", "")) for instruction in instructions]
        for index, kind in enumerate(kinds):
            if not is_known_transformation(kind):
                self.refuse(
                    path,
                    f"found {name!r}, and boldglm does not know its transformation {kind!r} "
                    f"(Instructions[{index}])",
                    f"Write transformations of {TRANSFORMER!r}, which is the transformer that "
                    f"boldglm applies.{did_you_mean(kind, list(TRANSFORMATIONS))}",
                )
            query = str(instructions[index].get("Query", ""))
            if set(query) & set("^$*\\"):
                self.refuse(
                    path,
                    f"found {name!r}, and the Query {query!r} (Instructions[{index}]) may be a "
                    "regular expression, which boldglm does not read",
                    "Compare with each value, and join the comparisons with or.",
                )
        self.note(
            path,
            f"{name!r} is read as {TRANSFORMER!r}, which has all of its transformations "
            f"({', '.join(dict.fromkeys(kinds)) or 'none'})",
        )

    def full_names(self, spec: ContrastSpec, x: Sequence[Term], path: str) -> ContrastSpec:
        """Write ``trial_type.go`` for ``go``, if that is a term of X and ``go`` is none."""
        columns = []
        for name in spec.columns:
            full = [
                term
                for term in x
                if name not in x and isinstance(term, str) and term.partition(".")[2] == name
            ]
            if len(full) == 1 and full[0] not in spec.columns:
                self.note(
                    f"{path}.Contrasts",
                    f"{name!r} in the contrast {spec.name!r} is read as {full[0]!r}",
                )
                columns.append(full[0])
            else:
                columns.append(name)
        return replace(spec, columns=tuple(columns))

    def software(self, content: Any, path: str) -> dict[str, Any]:
        """Return the options by program, also if each stands in an object of its own."""
        if not isinstance(content, list):
            return self.object(content, path)
        merged: dict[str, Any] = {}
        for index, item in enumerate(content):
            options = self.object(item, f"{path}[{index}]")
            for name in set(options) & set(merged):
                self.refuse(f"{path}[{index}].{name}", "the program is listed twice", "Join both.")
            merged |= options
        self.note(path, "the list is read as one object")
        return merged

    def implied_factors(
        self,
        instructions: tuple[dict[str, Any], ...],
        terms: Sequence[str],
        convolved: Sequence[str],
        path: str,
    ) -> tuple[dict[str, Any], ...]:
        """Add the Factor transformations without which levels that the node names do not exist."""
        changed, added = with_implied_factors(instructions, [*terms, *convolved], convolved)
        for column, (name, position) in added.items():
            place = f"before Instructions[{position}]" if instructions else "there"
            if instructions and position == len(instructions):
                place = "after the other instructions"
            self.note(
                f"{path}.Transformations",
                f"no Factor makes {name!r} from {column!r}, so the model is read as if "
                f"{{'Name': 'Factor', 'Input': [{column!r}]}} stood {place}",
            )
        return changed

    def hrf(self, content: Any, path: str, level: str) -> HRFSpec | None:
        if content is None:
            return None
        content = self.object(content, path)
        self.check_keys(content, ("Variables", "Model", "Parameters"), path)
        if level != "run":
            self.refuse(
                path,
                f"found an HRF at the {level} level",
                "Move it to the Run node: only runs are time series.",
            )
        for key in ("Variables", "Model"):
            if key not in content:
                self.refuse(path, f"{key} is missing", f"Add {key}.")
        variables = self.list(content["Variables"], f"{path}.Variables")
        return HRFSpec(
            tuple(str(name) for name in variables),
            str(content["Model"]),
            self.object(content.get("Parameters") or {}, f"{path}.Parameters"),
        )

    def contrasts(self, content: Any, path: str) -> tuple[ContrastSpec, ...]:
        listed = self.list(content, f"{path}.Contrasts")
        specs = [
            self.contrast(contrast, f"{path}.Contrasts[{index}]")
            for index, contrast in enumerate(listed)
        ]
        names = [spec.name for spec in specs]
        for name in names:
            if names.count(name) > 1:
                self.refuse(
                    f"{path}.Contrasts",
                    f"two contrasts are named {name!r}",
                    "Rename one of them.",
                )
        return tuple(specs)

    def contrast(self, content: Any, path: str) -> ContrastSpec:
        content = dict(self.object(content, path))
        for old, new in (("Type", "Test"), ("Condition_list", "ConditionList")):
            if old in content and new not in content:
                content[new] = content.pop(old)
                self.note(f"{path}.{old}", f"this older spelling is read as {new}")
        self.check_keys(content, CONTRAST_KEYS, path)
        for key in ("Name", "ConditionList", "Weights"):
            if key not in content:
                self.refuse(path, f"{key} is missing", f"Add {key} to the contrast.")
        columns = self.conditions(content["ConditionList"], f"{path}.ConditionList")
        weights = content["Weights"]
        rows = weights if isinstance(weights, list) and weights else [weights]
        rows = rows if isinstance(rows[0], list) else [rows]
        if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
            self.refuse(
                f"{path}.Weights",
                f"found {weights} for {len(columns)} conditions",
                "Write one weight for each condition in ConditionList, in every row.",
            )
        test = self.test(content.get("Test"), path)
        if test != "F" and len(rows) != 1:
            self.refuse(
                f"{path}.Weights",
                f"found {len(rows)} rows for Test {test!r}",
                "Write a single row, or Test 'F'.",
            )
        values = tuple(
            tuple(self.number(weight, f"{path}.Weights") for weight in row) for row in rows
        )
        if any(not any(row) for row in values):
            self.refuse(
                f"{path}.Weights",
                f"{weights} has a row of zeros",
                "Give at least one condition a weight.",
            )
        name = self.text(content["Name"], f"{path}.Name")
        return ContrastSpec(name, tuple(columns), values, test)

    def conditions(self, content: Any, path: str) -> list[str]:
        columns: list[str] = []
        for index, name in enumerate(self.list(content, path)):
            if name != 1 and not isinstance(name, str):
                self.refuse(
                    f"{path}[{index}]",
                    f"found {abbreviated(name)}",
                    "Write the name of a column, or 1 for the constant.",
                )
            if str(name) in columns:
                self.refuse(
                    path, f"{name!r} appears twice", "List it once, with the sum of its weights."
                )
            columns.append(str(name))
        return columns

    def test(self, value: Any, path: str) -> str:
        if value is None:
            self.note(f"{path}.Test", "the key is missing; it is read as 't'")
            return "t"
        if value == "FEMA":
            self.note(
                f"{path}.Test", "the older spelling 'FEMA' (fixed effects meta-analysis) is read "
                "as 't'; Model.Type says whether the node is a meta-analysis",
            )  # fmt: skip
            return "t"
        if str(value).lower() == "skip":
            self.note(f"{path}.Test", "the older spelling 'skip' is read as 'pass'")
            return "pass"
        known = {name.lower(): name for name in TESTS}
        if str(value).lower() not in known:
            self.refuse(
                f"{path}.Test", f"found {abbreviated(value)}", f"Known tests: {', '.join(TESTS)}."
            )
        return known[str(value).lower()]

    def dummy_contrasts(self, content: Any, path: str) -> DummyContrastsSpec | None:
        if content is None or content is False:
            return None
        content = dict(self.object(content, path))
        for old in ("Conditions", "ConditionList"):
            if old in content:
                content["Contrasts"] = content.pop(old)
                self.note(f"{path}.{old}", "this older spelling is read as Contrasts")
        self.check_keys(content, ("Contrasts", "Test", "Description"), path)
        listed = content.get("Contrasts")
        if listed is None:
            return DummyContrastsSpec(None, self.test(content.get("Test"), path))
        names = self.list(listed, f"{path}.Contrasts")
        return DummyContrastsSpec(
            tuple(1 if name in (1, "1") else str(name) for name in names),
            self.test(content.get("Test"), path),
        )


_OPTION_REMEDIES = {
    "ReplaceVariables": "Write the variables into X.",
    "Aggregate": "boldglm fits every voxel: remove the option and average the maps afterwards.",
}
