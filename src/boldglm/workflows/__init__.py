"""nipype workflows of a run, a subject, the group and the whole app.

`init_run_wf` takes plain files and fits into any nipype workflow. The others build on the plan
that `boldglm.analysis.plan` makes of a BIDS dataset.
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
