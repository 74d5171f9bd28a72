"""Levels above the run: fixed effects over runs, one-sample t over subjects."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiPath,
    SimpleInterface,
    traits,
)

from boldglm.interfaces.fit import _ResultOutput, result_files
from boldglm.io.contrast_maps import combine_runs, one_sample_over_subjects
from boldglm.io.results import NodeResult, read_result


class _CombineInput(BaseInterfaceInputSpec):
    result_files = InputMultiPath(
        File(exists=True), mandatory=True, desc="result or record of each run or subject"
    )
    labels = traits.List(traits.Str, mandatory=True, desc="what each input is called")


def _results(paths: list[str]) -> list[NodeResult]:
    return [read_result(Path(path)) for path in paths]


class CombineRuns(SimpleInterface):
    """Combine the t contrasts of several runs by inverse-variance fixed effects."""

    input_spec = _CombineInput
    output_spec = _ResultOutput

    def _run_interface(self, runtime):
        results = _results(self.inputs.result_files)
        combined = combine_runs(results, self.inputs.labels, Path(runtime.cwd))
        self._results = result_files(combined, Path(runtime.cwd))
        return runtime


class TestSubjects(SimpleInterface):
    """Test every contrast's mean over subjects by a one-sample t."""

    __test__ = False  # a name that pytest would otherwise collect
    input_spec = _CombineInput
    output_spec = _ResultOutput

    def _run_interface(self, runtime):
        results = _results(self.inputs.result_files)
        tested = one_sample_over_subjects(results, self.inputs.labels, Path(runtime.cwd))
        self._results = result_files(tested, Path(runtime.cwd))
        return runtime
