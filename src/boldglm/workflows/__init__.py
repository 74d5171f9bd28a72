"""nipype workflows: one run, one subject, the group, the whole app.

`init_run_wf` needs nothing of BIDS but an events file and serves in any workflow; the others
take what `boldglm.analysis.plan.plan` decided.
"""

from boldglm.analysis.first_level.settings import (
    BuiltDesign,
    CachedFit,
    DesignSettings,
    FitSettings,
    ModelFile,
    RunSettings,
)
from boldglm.analysis.model.confound_strategies import ConfoundSettings
from boldglm.analysis.model.modulation import Modulator
from boldglm.workflows.group import init_group_wf
from boldglm.workflows.run import init_run_wf
from boldglm.workflows.subject import init_boldglm_wf, init_subject_wf

__all__ = [
    "BuiltDesign",
    "CachedFit",
    "ConfoundSettings",
    "DesignSettings",
    "FitSettings",
    "ModelFile",
    "Modulator",
    "RunSettings",
    "init_boldglm_wf",
    "init_group_wf",
    "init_run_wf",
    "init_subject_wf",
]
