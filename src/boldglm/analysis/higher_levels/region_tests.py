"""Regions of an atlas above the run: the model of the maps, on the effects in the regions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boldglm.analysis.first_level.regions import region_files, region_values
from boldglm.analysis.higher_levels.group_inference import Inference
from boldglm.analysis.higher_levels.input_maps import Inputs, input_effects
from boldglm.analysis.higher_levels.shared_mask import SharedMask
from boldglm.errors import BadDataError
from boldglm.glm import NotEstimableError, SecondLevelFit, fit_second_level
from boldglm.glm.inference.contrast_permutations import permute_contrast
from boldglm.glm.inference.multiple_comparisons import benjamini_hochberg
from boldglm.glm.second_level.error_models import TooFewInputsError
from boldglm.io.bids.atlas import Atlas, Regions
from boldglm.io.images.geometry import Geometry
from boldglm.io.outputs.records import NodeResult
from boldglm.io.outputs.region_tables import (
    RegionFiles,
    RegionTable,
    RegionValues,
    write_region_table,
)
from boldglm.notices import Notice, exclusion, note
from boldglm.stats_model.specification import ContrastSpec
from boldglm.vocabulary import PERMUTATION_SEED

ABOVE_RUN = (
    "Effects of each region in the inputs, with the design and the estimator that the maps have."
)
FROM_MAPS = (
    "Means of the effect maps of the inputs over the voxels of each region, with the design of "
    "the maps, by ordinary least squares."
)


@dataclass(frozen=True, eq=False)
class InputRegions:
    """The tables of regions of the inputs of a node.

    Parameters
    ----------
    regions : Regions
        On the grid of the node, in the voxels that it analyzes.
    tables : tuple of RegionTable
        Table of each input; empty if effects in the regions are means of the effect maps.
    shared : SharedMask or None
        The voxels of the node; needed without tables.
    """

    regions: Regions
    tables: tuple[RegionTable, ...]
    shared: SharedMask | None = None

    @classmethod
    def of(
        cls,
        regions: Regions,
        results: Sequence[NodeResult],
        labels: Sequence[str],
        shared: SharedMask,
        method: str,
    ) -> "tuple[InputRegions | None, tuple[Notice, ...]]":
        """Return the tables of the inputs; without them, their maps, or why these do not suffice.

        Least squares over inputs need no variances, so means of effect maps serve. Means of
        variances would ignore what the voxels of a region share.

        Raises
        ------
        BadDataError
            If only some inputs have a table, or one of another atlas.
        """
        atlas = regions.atlas
        if not any(result.regions for result in results):
            lacking = (
                f"the inputs have no tables of the regions of the atlas {atlas.name}, which the "
                "level that fits runs writes with --atlas"
            )
            if method == "ols":
                text = f"{lacking}, so regions are tested by means of the effect maps"
                return cls(regions, (), shared), (note(text),)
            text = f"tests of regions: {lacking}, and their variances are needed"
            return None, (exclusion(text),)
        check_tables(atlas, {label: result.regions for label, result in
                             zip(labels, results, strict=True)})  # fmt: skip
        files = [result.regions for result in results if result.regions]
        tables = [RegionTable.read(regions.table) for regions in files]
        return cls(regions, tuple(tables)), ()

    def coverage(self) -> np.ndarray:
        """Return the smallest coverage of each region among the inputs, (n_regions,)."""
        if not self.tables:
            return self.regions.coverage
        indices = self.regions.indices
        shares = [table.coverage(indices) for table in self.tables]
        return np.asarray(np.nan_to_num(np.stack(shares)).min(axis=0))

    def effects(self, inputs: Inputs) -> np.ndarray:
        """Return the effect of a contrast in each region, (n_inputs, n_regions); NaN without."""
        if self.tables:
            return self.column(inputs, "effect")
        assert self.shared is not None
        return np.stack([self._mean(row) for row in input_effects(inputs, self.shared)])

    def column(self, inputs: Inputs, name: str) -> np.ndarray:
        """Return a column of the tables, (n_inputs, n_regions)."""
        indices = self.regions.indices
        rows = [self.tables[k].column(maps.name, name, indices) for k, maps in inputs]
        return np.stack(rows)

    def _mean(self, row: np.ndarray) -> np.ndarray:
        """Return the mean of a map over the voxels of each region that have a value."""
        inside = (self.regions.places >= 0) & np.isfinite(row)
        places, n_regions = self.regions.places[inside], len(self.regions)
        counts = np.bincount(places, minlength=n_regions)
        totals = np.bincount(places, row[inside], minlength=n_regions)
        return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def check_tables(atlas: Atlas, files: Mapping[str, RegionFiles | None]) -> None:
    """Refuse results without regions, or with those of another atlas.

    Parameters
    ----------
    atlas : Atlas
        The atlas.
    files : mapping of str to RegionFiles or None
        Regions of each result, by its name.

    Raises
    ------
    BadDataError
        If some are missing or others.
    """
    missing = [label for label, regions in files.items() if regions is None]
    others = {
        label: regions.atlas
        for label, regions in files.items()
        if regions is not None and regions.digest != atlas.digest
    }
    if not missing and not others:
        return
    if missing:
        what = f"{_listed(missing)} have no table of its regions"
    else:
        first = next(iter(others.values()))
        same = " of other content" if first == atlas.name else ""
        what = f"{_listed(list(others))} have tables of regions of the atlas {first}{same}"
    raise BadDataError(
        f"--atlas {atlas.name}: {what}. Repeat the level that fits runs with this atlas for them, "
        "or omit --atlas here."
    )


def _listed(labels: Sequence[str], most: int = 10) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more


@dataclass(frozen=True, eq=False)
class RegionFit:
    """The fit of one design to the effects in the regions.

    Parameters
    ----------
    fit : SecondLevelFit
        Of the regions that are present.
    present : ndarray of bool, shape (n_regions,)
        Regions that enough inputs have.
    """

    fit: SecondLevelFit
    present: np.ndarray

    def values(
        self, spec: ContrastSpec, inference: Inference | None
    ) -> tuple[RegionValues | None, tuple[Notice, ...]]:
        """Test a contrast in all regions.

        Parameters
        ----------
        spec : ContrastSpec
            The contrast.
        inference : Inference or None
            Sides, and permutations of the dataset level; None at other levels.
        """
        try:
            contrast = self.fit.contrast(spec.weights_by_column, name=spec.name)
        except NotEstimableError as error:
            return None, (exclusion(f"regions: {error}"),)
        chosen = None if inference is None else inference.of_test(contrast.test)
        two_sided = chosen is None or chosen.two_sided
        found = region_values(contrast, self.present, test=spec.test, two_sided=two_sided)
        values = dict(found.values)
        values["inputs"] = np.zeros(self.present.size)
        values["inputs"][self.present] = self.fit.n_inputs
        notices: tuple[Notice, ...] = ()
        if chosen is not None and spec.test != "pass":
            values["q_fdr"] = benjamini_hochberg(values["p"])
            if chosen.permutations:
                values["p_fwe"], notices = self._permuted(contrast, chosen)
        return RegionValues(found.contrast, found.test, values), notices

    def _permuted(
        self, contrast: Any, inference: Inference
    ) -> tuple[np.ndarray, tuple[Notice, ...]]:
        """Return FWE-corrected p of each region that all inputs have; NaN elsewhere."""
        p = np.full(self.present.size, np.nan)
        inside = self.fit.is_complete
        notices: tuple[Notice, ...] = ()
        if not inside.all():
            text = (
                f"{int((~inside).sum())} of {inside.size} regions from the permutation test of "
                f"{contrast.name!r}: some inputs lack them"
            )
            notices = (exclusion(text),)
        if not inside.any():
            return p, notices
        test = permute_contrast(
            self.fit.at(inside),
            contrast.weights,
            inference.permutations,
            np.random.default_rng(PERMUTATION_SEED),
            two_sided=inference.two_sided,
        )
        p[np.flatnonzero(self.present)[inside]] = test.p_max
        return p, notices


def fit_input_regions(
    inputs: Inputs,
    given: InputRegions,
    matrix: np.ndarray,
    *,
    method: str,
    coverage: float,
    **options: Any,
) -> tuple[RegionFit | None, tuple[Notice, ...]]:
    """Fit a design to the effects in the regions.

    Parameters
    ----------
    inputs : sequence of (int, ContrastMaps)
        Index of each result, and its contrast.
    given : InputRegions
        The tables.
    matrix : ndarray of shape (n_inputs, n_columns)
        The design.
    method : {"ols", "fixed", "mixed"}
        Estimator.
    coverage : float
        Share of the inputs that a region needs.
    **options
        Further arguments of `fit_second_level`.
    """
    effects = given.effects(inputs)
    lacking = ~np.isfinite(effects)
    needed = max(1, int(np.ceil(coverage * len(inputs) - 1e-9)))
    present = (~lacking).sum(axis=0) >= needed
    if not present.any():
        return None, (note("no region has enough inputs to be tested"),)
    known: dict[str, Any] = {}
    if method != "ols":
        variances, dofs = given.column(inputs, "variance"), given.column(inputs, "dof")
        known["variances"] = np.where(lacking, 0.0, variances)[:, present]
        known["dofs"] = np.where(lacking, 1.0, np.maximum(dofs, 1.0))[:, present]
    try:
        fit = fit_second_level(
            effects[:, present], matrix, method=method, coverage=coverage, **known, **options
        )
    except TooFewInputsError as error:
        return None, (exclusion(f"regions: {error}"),)
    return RegionFit(fit, present), ()


class RegionTests:
    """The contrasts of a node in all regions, added design by design.

    Parameters
    ----------
    given : InputRegions
        The tables of the inputs.
    inference : Inference or None
        Sides and permutations at the dataset level; None at other levels.
    """

    def __init__(self, given: InputRegions, inference: Inference | None) -> None:
        self.given, self.inference = given, inference
        self.values: list[RegionValues] = []

    def add(
        self,
        inputs: Inputs,
        matrix: np.ndarray,
        contrasts: Sequence[ContrastSpec],
        **options: Any,
    ) -> list[Notice]:
        """Fit a design and test its contrasts; return notices.

        Parameters
        ----------
        inputs, matrix, **options
            As for `fit_input_regions`.
        contrasts : sequence of ContrastSpec
            The contrasts that have maps.
        """
        fit, notices = fit_input_regions(inputs, self.given, matrix, **options)
        every = list(notices)
        for spec in contrasts:
            values, more = (None, ()) if fit is None else fit.values(spec, self.inference)
            every += more
            self.values.append(values or RegionValues(spec.name, spec.test, {}))
        return every

    def write(self, geometry: Geometry, folder: Path) -> RegionFiles:
        """Write the table of regions of the node."""
        regions = self.given.regions
        table = write_region_table(
            folder,
            regions,
            self.values,
            level="higher" if self.inference is None else "dataset",
            description=ABOVE_RUN if self.given.tables else FROM_MAPS,
            coverage=self.given.coverage(),
        )
        return region_files(table, regions, geometry, folder)
