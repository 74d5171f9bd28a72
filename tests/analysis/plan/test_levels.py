"""Levels above the run, laid out over results."""

from boldglm.analysis.model.model import parse_model
from boldglm.analysis.plan.levels import plan_levels
from boldglm.notices import exclusion
from boldglm.stats_model.node_inputs import NodeInput
from model_nodes import CONVOLVED_CONDITIONS


def test_a_node_that_nothing_reaches_is_named(tmp_path):
    model = parse_model({
        "Name": "m",
        "BIDSModelVersion": "1.0.0",
        "Nodes": [
            {"Level": "Run", "Name": "run", "GroupBy": ["run", "subject"],
             "Transformations": CONVOLVED_CONDITIONS,
             "Model": {"Type": "glm", "X": ["trial_type.a", "trial_type.b", 1]},
             "DummyContrasts": {"Test": "t"}},
            {"Level": "Subject", "Name": "only-b", "GroupBy": ["subject", "contrast"],
             "Model": {"Type": "meta", "X": [1]}, "DummyContrasts": {"Test": "t"}},
        ],
        "Edges": [{"Source": "run", "Destination": "only-b",
                   "Filter": {"contrast": ["trial_type.b"]}}],
    })  # fmt: skip
    entities = {"sub": "01", "task": "x", "run": "1"}
    alone = [NodeInput("run", "key", "sub-01", "trial_type.a", entities)]

    levels, notices = plan_levels(model, alone, {"key": "print"}, tmp_path, ("subject",))

    assert levels == ()
    assert notices == (
        exclusion(
            "node 'only-b': no result of run passes the filters of its edges and its GroupBy"
        ),
    )
