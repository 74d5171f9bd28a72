"""Interfaces of higher levels, which fit a design over runs, sessions or participants."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiPath,
    SimpleInterface,
    isdefined,
    traits,
)

from boldglm.analysis.higher_levels.node_fits import NodeFits, fit_node
from boldglm.errors import BadDataError
from boldglm.interfaces.fit import ResultOutput, result_files
from boldglm.io.bids.atlas import Atlas
from boldglm.io.outputs.records import NodeResult, read_result


class _ResultsInput(BaseInterfaceInputSpec):
    result_files = InputMultiPath(
        File(exists=True), mandatory=True, desc="result or record (JSON) of each input"
    )


class _CombineInput(_ResultsInput):
    labels = traits.List(traits.Str, mandatory=True, desc="name of each input")
    atlas = traits.Instance(Atlas, desc="atlas of the tables of regions that the results have")


class _FitNodeInput(_ResultsInput):
    fits = traits.Instance(NodeFits, mandatory=True, desc="designs, contrasts and estimator")


def _results(paths: list[str]) -> list[NodeResult]:
    return [read_result(Path(path)) for path in paths]


def _means(results: Sequence[NodeResult], inputs: _CombineInput, method: str) -> NodeFits:
    contrasts = [
        [contrast.name for contrast in result.contrasts if contrast.test != "F"]
        for result in results
    ]
    fits = NodeFits.of_means(contrasts, inputs.labels, method=method)
    return replace(fits, atlas=inputs.atlas) if isdefined(inputs.atlas) else fits


class FitNode(SimpleInterface):
    """Fit the designs of a higher-level node of a BIDS Stats Model."""

    input_spec = _FitNodeInput
    output_spec = ResultOutput

    def _run_interface(self, runtime):
        here = Path(runtime.cwd)
        result = fit_node(_results(self.inputs.result_files), self.inputs.fits, here)
        self._results = result_files(result, here)
        return runtime


class CombineRuns(SimpleInterface):
    """Combine the t contrasts of several runs by fixed effects, weighted by inverse variance.

    Examples
    --------
    >>> combine = CombineRuns(labels=["run-1", "run-2"])
    >>> combine.inputs.result_files = ["run1.json", "run2.json"]  # doctest: +SKIP
    """

    input_spec = _CombineInput
    output_spec = ResultOutput

    def _run_interface(self, runtime):
        here, results = Path(runtime.cwd), _results(self.inputs.result_files)
        fits = _means(results, self.inputs, "fixed")
        self._results = result_files(fit_node(results, fits, here), here)
        return runtime


class TestSubjects(SimpleInterface):
    """Test the mean of each contrast over participants by a one-sample t test.

    Examples
    --------
    >>> test = TestSubjects(labels=["sub-01", "sub-02", "sub-03"])
    """

    __test__ = False  # a name that pytest would otherwise collect
    input_spec = _CombineInput
    output_spec = ResultOutput

    def _run_interface(self, runtime):
        here, results = Path(runtime.cwd), _results(self.inputs.result_files)
        if len(results) < 2:
            raise BadDataError(
                f"A test over participants needs at least two, but there is {len(results)}."
            )
        fits = _means(results, self.inputs, "ols")
        self._results = result_files(fit_node(results, fits, here), here)
        return runtime
