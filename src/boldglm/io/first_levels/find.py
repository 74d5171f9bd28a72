"""Find the first-level maps of a folder or a table, whichever program wrote them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.first_levels.bids_maps import bids_maps
from boldglm.io.first_levels.feat import feat_maps, is_feat
from boldglm.io.first_levels.maps import FirstLevelMaps, check_maps, is_statistic
from boldglm.io.first_levels.spm import is_spm, spm_maps
from boldglm.io.first_levels.table import read_first_level_table
from boldglm.notices import Notice, exclusion

TABLES = (".tsv", ".tsv.gz")
IMAGES = (".nii", ".nii.gz", ".gii")


@dataclass(frozen=True)
class FirstLevels:
    """What a folder or a table has.

    Parameters
    ----------
    maps : tuple of FirstLevelMaps
        In the order of participants and contrasts.
    notices : tuple of Notice
        What was not used, and why.
    folder : Path
        The folder that holds the effects; of a table, the deepest one that holds all.
    """

    maps: tuple[FirstLevelMaps, ...]
    notices: tuple[Notice, ...]
    folder: Path


def find_first_levels(path: Path) -> FirstLevels:
    """Find first-level maps.

    Parameters
    ----------
    path : Path
        A table (TSV), or a folder: BIDS derivatives with effects (FitLins, nilearn, boldglm),
        folders of FEAT, or folders of SPM, of which each has ``sub-<label>`` in its path.

    Returns
    -------
    FirstLevels

    Raises
    ------
    MissingInputError
        If there is nothing.
    BadDataError
        If there are no effects, or not one for each participant and contrast.
    """
    path = path.resolve()
    notices: list[Notice]
    if path.is_dir():
        found, notices, folder = *_in_folder(path), path
    elif path.name.endswith(TABLES):
        found, notices = read_first_level_table(path)
        parents = {maps.effect.resolve().parent for maps in found}
        folder = Path(os.path.commonpath(parents))
    elif path.exists():
        raise BadDataError(f"--first-level {path}: neither a folder nor a table (.tsv).")
    else:
        raise MissingInputError(f"--first-level {path}: there is no such folder or table.")
    check_maps(found)
    ordered = sorted(found, key=lambda maps: maps.result)
    return FirstLevels(tuple(ordered), tuple(notices), folder)


def _in_folder(root: Path) -> tuple[list[FirstLevelMaps], list[Notice]]:
    found: list[FirstLevelMaps] = []
    notices: list[Notice] = []
    files: list[Path] = []
    for folder, names in _folders(root):
        if is_feat(folder):
            found += feat_maps(root, folder)
        elif is_spm(names):
            maps, more = spm_maps(root, folder)
            found += maps
            notices += more
        files += [folder / name for name in names]
    kept = [maps for maps in found if "sub" in maps.entities]
    others = dict.fromkeys(
        maps.effect.parent.relative_to(root) for maps in found if "sub" not in maps.entities
    )
    notices += [
        exclusion(
            f"{other.as_posix()} in {root.name}: no sub-<label> in its path, so it is of no "
            "participant. If it is, list its maps in a table"
        )
        for other in others
    ]
    kept += bids_maps(root, files)
    if not kept:
        _refuse_empty(root, files, others)
    return kept, notices


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folders below a folder with the names of their files, in order; each once."""
    visited = set()
    for folder, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            below.clear()
            continue
        visited.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield Path(folder), sorted(names)


def _refuse_empty(root: Path, files: list[Path], others: object) -> None:
    """Say that a folder has no effects of participants, and what it has instead."""
    images = [path for path in files if path.name.endswith(IMAGES)]
    statistic = next((path for path in images if is_statistic(path)), None)
    looked = (
        "*_contrast-<name>_stat-effect_statmap (FitLins, nilearn), *.feat/stats/cope<N> (FSL) and "
        "con_<N>.nii with SPM.mat (SPM), with sub-<label> in the path"
    )
    if statistic is not None and not others:
        raise BadDataError(
            f"{root} has maps of test statistics ({statistic.name}) but no effects of "
            f"participants: {looked}. The group level cannot start from t, z or p values. Let the "
            "program write its contrast estimates too, or list them in a table (TSV)."
        )
    raise MissingInputError(
        f"{root} has no effects of participants: {looked}. List other maps in a table (TSV) with "
        "the columns subject, contrast and effect, and give that."
    )
