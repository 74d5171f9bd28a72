"""A model under another name, so that several fit into one output folder."""

import copy
from typing import Any

from boldglm.io.outputs.names import node_label


def renamed_model(content: Any, name: str) -> Any:
    """Return the content of a model file with another name, which also precedes its nodes' names.

    Results lie in a folder for each node, so models of one output folder need nodes of their own.

    Parameters
    ----------
    content : Any
        Content of a BIDS Stats Model; what is no model is returned as it is, to be refused where
        it is read.
    name : str
        The new name.

    Examples
    --------
    >>> content = {"Name": "default", "Nodes": [{"Name": "run"}, {"Name": "subject"}],
    ...            "Edges": [{"Source": "run", "Destination": "subject"}]}
    >>> renamed = renamed_model(content, "glover")
    >>> renamed["Name"], [node["Name"] for node in renamed["Nodes"]]
    ('glover', ['gloverRun', 'gloverSubject'])
    >>> renamed["Edges"]
    [{'Source': 'gloverRun', 'Destination': 'gloverSubject'}]
    """
    if not isinstance(content, dict):
        return content
    changed = copy.deepcopy(content)
    changed["Name"] = name
    label = node_label(name)
    for key, ends in (("Nodes", ("Name",)), ("Edges", ("Source", "Destination"))):
        for item in changed.get(key) or ():
            for end in ends:
                if isinstance(item, dict) and isinstance(item.get(end), str):
                    item[end] = label + item[end][:1].upper() + item[end][1:]
    return changed
