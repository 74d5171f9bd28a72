"""nipype interfaces, which read and write plain files.

Except for `WriteDesign` and `FitNode`, which serve the app, they fit into any nipype workflow,
with or without a BIDS dataset.
"""

from boldglm.interfaces.combine import CombineRuns, FitNode, TestSubjects
from boldglm.interfaces.design import (
    BuildDesign,
    BuildModelDesign,
    OrthogonalizeDesign,
    WriteDesign,
)
from boldglm.interfaces.fit import EstimateContrasts, FitGLM
from boldglm.interfaces.outputs import (
    PlotRecord,
    PlotResults,
    WriteDerivatives,
    WriteQualityTable,
    WriteReport,
    WriteReportPage,
)

__all__ = [
    "BuildDesign",
    "BuildModelDesign",
    "CombineRuns",
    "EstimateContrasts",
    "FitGLM",
    "FitNode",
    "OrthogonalizeDesign",
    "PlotRecord",
    "PlotResults",
    "TestSubjects",
    "WriteDerivatives",
    "WriteDesign",
    "WriteQualityTable",
    "WriteReport",
    "WriteReportPage",
]
