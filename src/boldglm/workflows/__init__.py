"""nipype workflows of a run, a subject, the group and a whole dataset.

`init_run_wf`, `init_subject_wf` and `init_group_wf` take plain files. `init_boldglm_wf` fits all
levels of a BIDS dataset. All have an ``inputnode`` and an ``outputnode``, and fit into any nipype
workflow.
"""

from boldglm.analysis.first_level.settings import (
    BuiltDesign,
    CachedFit,
    DesignSettings,
    FitSettings,
    ModelFile,
    RunSettings,
)
from boldglm.analysis.model.confound_strategies import ConfoundRequest, ConfoundSettings
from boldglm.analysis.model.default_model import DefaultModelOptions
from boldglm.analysis.model.modulation import Modulator
from boldglm.analysis.plan.dataset_model import ModelChoice
from boldglm.io.bids.atlas import Atlas
from boldglm.io.bids.selection import Selection
from boldglm.workflows.combined import init_group_wf, init_subject_wf
from boldglm.workflows.dataset import DatasetOptions, init_boldglm_wf
from boldglm.workflows.plugins import job_plugin
from boldglm.workflows.run import init_run_wf

__all__ = [
    "Atlas",
    "BuiltDesign",
    "CachedFit",
    "ConfoundRequest",
    "ConfoundSettings",
    "DatasetOptions",
    "DefaultModelOptions",
    "DesignSettings",
    "FitSettings",
    "ModelChoice",
    "ModelFile",
    "Modulator",
    "RunSettings",
    "Selection",
    "init_boldglm_wf",
    "init_group_wf",
    "init_run_wf",
    "init_subject_wf",
    "job_plugin",
]
