"""nipype interfaces: traits in, one call, paths out.

They take and give plain files and work in any nipype workflow, with or without a BIDS dataset.
"""

from boldglm.interfaces.combine import CombineRuns, FitNode, TestSubjects
from boldglm.interfaces.design import (
    BuildDesign,
    BuildModelDesign,
    OrthogonalizeDesign,
    WriteDesign,
)
from boldglm.interfaces.fit import EstimateContrasts, FitGLM
from boldglm.interfaces.outputs import PlotResults, WriteDerivatives, WriteReport

__all__ = [
    "BuildDesign",
    "BuildModelDesign",
    "CombineRuns",
    "EstimateContrasts",
    "FitGLM",
    "FitNode",
    "OrthogonalizeDesign",
    "PlotResults",
    "TestSubjects",
    "WriteDerivatives",
    "WriteDesign",
    "WriteReport",
]
