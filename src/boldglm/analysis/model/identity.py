"""What an analysis is: its model, the options that change numbers, and the version.

Results may only be combined if they come from one analysis. So each result keeps the identity of
its own, and the output folder that of the analysis that it was made for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boldglm._version import __version__
from boldglm.io.outputs.records import fingerprint
from boldglm.stats_model.specification import StatsModel

# Options that change numbers but have no place in a BIDS Stats Model.
SETTINGS = (
    "--derivatives",
    "--mask",
    "--mesh",
    "--repetition-time",
    "--slice-time-reference",
    "--slice-times",
    "--missing-conditions",
    "--missing-times",
)
MODEL = "--model"
FIRST_LEVEL = "--first-level"  # of analyses whose first levels other programs estimated
DEFAULT = "default"  # value of this option without a file
VERSION = "boldglm"  # in words about what differs


@dataclass(frozen=True)
class Identity:
    """The identity of an analysis.

    Parameters
    ----------
    name : str
        Name of the model.
    options : mapping of str to JSON value
        Options that change numbers, with the values that hold if they are not given.
    nodes : mapping of str to str
        By name of the node, a digest of its content, of all nodes that it starts from, of
        `SETTINGS` and of the version.
    version : str
        Version of boldglm.
    selection : mapping of str to list of str
        Options that chose sessions and runs in this call, which levels above the run depend on.
    """

    name: str
    options: Mapping[str, Any]
    nodes: Mapping[str, str]
    version: str = __version__
    selection: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of_result(self, node: str, level: str) -> dict[str, Any]:
        """Return what the record of a result keeps of the analysis."""
        chosen = {name: list(labels) for name, labels in self.selection.items()}
        return {
            "Digest": self.nodes[node],
            "Version": self.version,
            "Options": dict(self.options),
            **({"Selection": chosen} if chosen and level in ("session", "subject") else {}),
        }


def identity_of(
    spec: StatsModel,
    options: Mapping[str, Any],
    selection: Mapping[str, Sequence[str]] | None = None,
    version: str = __version__,
) -> Identity:
    """Return the identity of an analysis.

    Parameters
    ----------
    spec : StatsModel
        The model, with all options that it has a place for.
    options : mapping
        As for `Identity`.
    selection : mapping, optional
        As for `Identity`.
    version : str
        Version of boldglm.

    Returns
    -------
    Identity
        Two analyses with the same digest of a node give the same results of that node.
    """
    # a node of the file need not have a name
    content = {
        node.name: source for node, source in zip(spec.nodes, spec.source["Nodes"], strict=True)
    }
    settings = {name: options.get(name) for name in SETTINGS}
    shared = [version, settings, spec.source.get("Input")]
    if FIRST_LEVEL in options:
        shared.append(options[FIRST_LEVEL])
    digests: dict[str, str] = {}
    for node in (spec.root, *spec.higher_level_nodes()):
        parents = [[dict(edge.filter), digests[edge.source]] for edge in spec.edges_into(node)]
        digests[node.name] = fingerprint(shared, _without_text(content[node.name]), parents)
    return Identity(spec.name, options, digests, version, selection or {})


def _without_text(content: Any) -> Any:
    """Return content without descriptions, which change no number."""
    if isinstance(content, dict):
        return {
            key: _without_text(value) for key, value in content.items() if key != "Description"
        }
    if isinstance(content, list):
        return [_without_text(value) for value in content]
    return content


def differing_options(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    """Return name and both values of every option that differs.

    Examples
    --------
    >>> differing_options({"--smoothing": 6.0, "--sides": "two"}, {"--sides": "two"})
    [('--smoothing', 6.0, None)]
    """
    names = dict.fromkeys([*first, *second])
    return [
        (name, first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    ]


def comparable_differences(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    """Return differing options of two analyses, without those that only one of them could have.

    A model file has a place for most options of the default model. Between such an analysis and a
    default one, only `SETTINGS` can be compared.
    """
    pairs = [pair for pair in differing_options(first, second) if pair[0] != MODEL]
    if (first.get(MODEL) == DEFAULT) != (second.get(MODEL) == DEFAULT):
        pairs = [pair for pair in pairs if pair[0] in SETTINGS]
    return pairs


def option_words(name: str, value: Any) -> str:
    """Return an option as on the command line, also where it was not given.

    Examples
    --------
    >>> option_words("--smoothing", None), option_words("--contrast", ["a", "a - b"])
    ('no --smoothing', "--contrast 'a' 'a - b'")
    """
    if value is None or value in ([], ""):
        return f"no {name}"
    if not name.startswith("--"):
        return f"{name} {value}"
    values = value if isinstance(value, list) else [value]
    shown = [f"'{one}'" if isinstance(one, str) and isinstance(value, list) else f"{one:g}"
             if isinstance(one, float) else str(one) for one in values]  # fmt: skip
    return f"{name} {' '.join(shown)}"


def first_difference(first: Any, second: Any, path: str = "$") -> str | None:
    """Return the JSON path of the first difference between two contents; None if they are equal.

    Elements of a list are named by their Name, if they have one.

    Examples
    --------
    >>> first_difference({"Nodes": [{"Name": "run", "X": [1]}]}, {"Nodes": [{"Name": "run"}]})
    '$.Nodes[run].X'
    """
    if isinstance(first, dict) and isinstance(second, dict):
        for key in dict.fromkeys([*first, *second]):
            if key not in first or key not in second:
                return f"{path}.{key}"
            found = first_difference(first[key], second[key], f"{path}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(first, list) and isinstance(second, list):
        for index, pair in enumerate(zip(first, second, strict=False)):
            name = pair[0].get("Name", index) if isinstance(pair[0], dict) else index
            found = first_difference(*pair, f"{path}[{name}]")
            if found is not None:
                return found
        return None if len(first) == len(second) else path
    return None if first == second else path
