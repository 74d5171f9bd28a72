"""BIDS Stats Models: decoded JSON and tables go in; designs, contrasts and node plans come out.

`parse_stats_model` checks the content of a model file, `apply_instructions` transforms the
variables of a run, `run_columns` makes the columns of its design, and `plan_node` groups the
inputs of a higher node. No file is read or written here.
"""

from boldglm.stats_model.entity_names import ENTITY_KEYS
from boldglm.stats_model.node_inputs import NodeInput
from boldglm.stats_model.node_plans import FitPlan, NodePlan, check_run_groups, plan_node
from boldglm.stats_model.parsing import parse_stats_model
from boldglm.stats_model.run_designs import RunColumns, apply_hrf, run_columns
from boldglm.stats_model.specification import (
    LEVELS,
    ContrastSpec,
    DummyContrastsSpec,
    EdgeSpec,
    HRFSpec,
    NodeSpec,
    StatsModel,
)
from boldglm.stats_model.transformations import TRANSFORMATIONS, apply_instructions
from boldglm.stats_model.variables import Variable, Variables, input_variables, run_variables

__all__ = [
    "ENTITY_KEYS",
    "LEVELS",
    "TRANSFORMATIONS",
    "ContrastSpec",
    "DummyContrastsSpec",
    "EdgeSpec",
    "FitPlan",
    "HRFSpec",
    "NodeInput",
    "NodePlan",
    "NodeSpec",
    "RunColumns",
    "StatsModel",
    "Variable",
    "Variables",
    "apply_hrf",
    "apply_instructions",
    "check_run_groups",
    "input_variables",
    "parse_stats_model",
    "plan_node",
    "run_columns",
    "run_variables",
]
