"""Copes and varcopes in the folders of FSL's FEAT.

A first level is a folder ``*.feat`` with ``stats/cope1.nii.gz``, ``stats/varcope1.nii.gz``,
``stats/dof`` and ``design.con``; once moved to standard space, the maps are in
``reg_standard/stats``. A higher level is a folder ``*.gfeat`` with a folder ``cope<N>.feat`` for
each contrast of the first level, which has ``stats/cope1.nii.gz`` and ``stats/tdof_t1.nii.gz``.
"""

import re
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.first_levels.labels import entities_of_path
from boldglm.io.first_levels.maps import FirstLevelMaps

_COPE = re.compile(r"cope(\d+)\.nii(\.gz)?")
_NAME = re.compile(r"^/ContrastName(\d+)\s+(.*?)\s*$", re.MULTILINE)
_LOWER = re.compile(r'^set feat_files\(1\) "(.*?)"', re.MULTILINE)


def is_feat(folder: Path) -> bool:
    """Tell whether a folder is one of FEAT with statistics, of a first or a higher level."""
    return folder.name.endswith(".feat") and (folder / "stats").is_dir()


def feat_maps(root: Path, folder: Path) -> list[FirstLevelMaps]:
    """Return the contrasts of a folder of FEAT.

    Parameters
    ----------
    root : Path
        The folder that was given, in which it lies.
    folder : Path
        ``*.feat``.

    Raises
    ------
    BadDataError
        If the maps are in the space of the run and have not been moved to standard space.
    """
    entities = entities_of_path(folder.relative_to(root.parent))
    is_higher = folder.parent.name.endswith(".gfeat")
    stats = folder / "stats" if is_higher else _standard_stats(folder)
    copes = sorted(
        (int(match[1]), path) for path in stats.iterdir() if (match := _COPE.fullmatch(path.name))
    )
    names = contrast_names(folder / "design.con")
    lower = _lower_name(folder) if is_higher else ""
    found = []
    for number, path in copes:
        own = names.get(number, f"cope{number}")
        name = own if not is_higher else lower if len(copes) == 1 else f"{lower} {own}"
        variance = path.with_name(f"var{path.name}")
        mask = stats.parent / f"mask{path.name.removeprefix(f'cope{number}')}"
        found.append(
            FirstLevelMaps(
                entities,
                name,
                path,
                variance=variance if variance.is_file() else None,
                dof=_dof(stats, number, folder / "stats"),
                mask=mask if mask.is_file() else None,
            )
        )
    return found


def contrast_names(path: Path) -> dict[int, str]:
    """Return the names in a ``design.con``, by the number of the contrast."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    return {int(number): name for number, name in _NAME.findall(text) if name}


def _standard_stats(folder: Path) -> Path:
    """Return the folder with the maps in standard space."""
    moved = folder / "reg_standard" / "stats"
    if moved.is_dir():
        return moved
    matrix = folder / "reg" / "example_func2standard.mat"
    if matrix.is_file() and not _is_identity(matrix):
        raise BadDataError(
            f"{folder}: the copes are in the space of the run (reg/example_func2standard.mat is "
            "not the identity), and there is no reg_standard/stats. Run featregapply on it, or "
            "give the .gfeat folders of FEAT's higher level."
        )
    return folder / "stats"


def _is_identity(path: Path) -> bool:
    try:
        matrix = np.loadtxt(path)
    except ValueError as error:
        raise BadDataError(f"{path} is no matrix of numbers: {error}. Copy it again.") from error
    return matrix.shape == (4, 4) and bool((abs(matrix - np.eye(4)) < 1e-5).all())


def _lower_name(folder: Path) -> str:
    """Name the contrast of the first level that ``cope<N>.feat`` of a higher level is of."""
    label = folder.name.removesuffix(".feat")
    number = label.removeprefix("cope")
    setup = folder.parent / "design.fsf"
    if not number.isdecimal() or not setup.is_file():
        return label
    match = _LOWER.search(setup.read_text(encoding="utf-8", errors="replace"))
    names = contrast_names(Path(match[1]) / "design.con") if match else {}
    return names.get(int(number), label)


def _dof(stats: Path, number: int, own: Path) -> float | Path | None:
    """Return the degrees of freedom: a map of them, or the number in ``stats/dof``."""
    for stem in (f"tdof_t{number}", f"FEtdof_t{number}"):
        for ending in (".nii.gz", ".nii"):
            if (stats / f"{stem}{ending}").is_file():
                return stats / f"{stem}{ending}"
    path = own / "dof"
    try:
        return float(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise BadDataError(f"{path} has no number ({error}). Correct or delete it.") from error
