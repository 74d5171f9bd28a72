"""Nodes of BIDS Stats Models that several tests begin with; copy them before changing anything."""

CONVOLVED_CONDITIONS = {
    "Transformer": "pybids-transforms-v1",
    "Instructions": [
        {"Name": "Factor", "Input": ["trial_type"]},
        {"Name": "Convolve", "Input": ["trial_type.*"], "Model": "spm"},
    ],
}
SUBJECT = {
    "Level": "Subject",
    "Name": "subject",
    "GroupBy": ["subject", "contrast"],
    "Model": {"Type": "meta", "X": [1]},
    "DummyContrasts": {"Test": "t"},
}
GROUP = {
    "Level": "Dataset",
    "Name": "group",
    "GroupBy": ["contrast"],
    "Model": {"Type": "glm", "X": [1]},
    "DummyContrasts": {"Test": "t"},
}


def run_node_of(conditions, **further):
    """Return a run node with convolved conditions, such as ``trial_type.go``, and a constant."""
    return {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": CONVOLVED_CONDITIONS,
        "Model": {"Type": "glm", "X": [*conditions, 1]},
        **further,
    }
