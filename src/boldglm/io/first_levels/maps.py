"""The maps of one contrast of one participant, as another program wrote them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib

from boldglm.errors import BadDataError
from boldglm.io.entities import entities_stem
from boldglm.io.images.formats import image_ending

LABEL = re.compile(r"[A-Za-z0-9+]+")
# What file names say of statistics: stat-t of BIDS, tstat1 and zstat1 of FSL, spmT_0001 of SPM.
_STATISTIC = re.compile(r"(?:^|_)stat-[tzpF](?:_|$)|^(?:thresh_)?[tzf]+stat\d|^spm[TF]_\d|^ess_\d")
_INTENTS = ("t test", "z score", "f test", "p-value", "log p-value", "chi2")  # as nibabel says
ENDINGS = (".nii", ".nii.gz", ".shape.gii", ".func.gii", ".gii", ".dscalar.nii")


@dataclass(frozen=True)
class FirstLevelMaps:
    """An effect, and what is known of it.

    Parameters
    ----------
    entities : mapping of str to str
        Short BIDS keys and labels: sub, and perhaps ses, task, run, space.
    contrast : str
        Name of the contrast.
    effect : Path
        Map of the effect.
    variance : Path, optional
        Map of its variance, divided by `variance_factor`.
    variance_factor : float
        What the map has to be multiplied by: 1, but for SPM, whose map is of the residuals.
    dof : float or Path, optional
        Degrees of freedom of the variance, or a map of them.
    mask : Path, optional
        Voxels with an estimate; without it, those whose effect is neither 0 nor NaN.
    scale : str
        What sidecars say of the units, or "".
    """

    entities: Mapping[str, str]
    contrast: str
    effect: Path
    variance: Path | None = None
    variance_factor: float = 1.0
    dof: float | Path | None = None
    mask: Path | None = None
    scale: str = ""

    @property
    def result(self) -> tuple[tuple[str, str], ...]:
        """Entities of the result that the contrast belongs to."""
        return tuple(sorted(self.entities.items()))

    @property
    def name(self) -> str:
        """The result and its contrast, for messages."""
        return f"{entities_stem(dict(self.entities))}, contrast {self.contrast!r}"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files."""
        dof = self.dof if isinstance(self.dof, Path) else None
        return tuple(path for path in (self.effect, self.variance, dof, self.mask) if path)


def is_statistic(path: Path) -> bool:
    """Tell whether a map is one of t, z, F or p, by its name or its header.

    Examples
    --------
    >>> [is_statistic(Path(name)) for name in ("spmT_0001.nii", "zstat1.nii.gz", "cope1.nii.gz")]
    [True, True, False]
    """
    if _STATISTIC.search(path.name.split(".", 1)[0]):
        return True
    if not path.is_file() or not path.name.endswith((".nii", ".nii.gz")):
        return False
    try:
        header = nib.load(path).header
    except (OSError, ValueError, nib.filebasedimages.ImageFileError):
        return False  # reading its values says what is wrong with it
    return hasattr(header, "get_intent") and header.get_intent()[0] in _INTENTS


def check_maps(found: Sequence[FirstLevelMaps]) -> None:
    """Refuse statistics in place of effects, other formats, and contrasts that come twice.

    Raises
    ------
    BadDataError
    """
    first: dict[tuple, FirstLevelMaps] = {}
    for maps in found:
        for path in (maps.effect, maps.variance):
            if path is not None and image_ending(path) not in ENDINGS:
                raise BadDataError(
                    f"{maps.name}: {path} is not a NIfTI, GIFTI or CIFTI file. Convert it, for "
                    "example to .nii.gz."
                )
            if path is not None and is_statistic(path):
                raise BadDataError(
                    f"{maps.name}: {path} is a map of a test statistic. The group level needs "
                    "effects (contrast estimates), because t, z and p values of participants "
                    "say nothing of the size of an effect. Give the map that the program wrote "
                    "of the contrast itself: stat-effect, cope or con."
                )
        key = (maps.result, maps.contrast)
        if key in first:
            raise BadDataError(
                f"{maps.name} comes twice: from {first[key].effect} and from {maps.effect}. "
                "Give one of them: the folder of one node or program, or a table that lists the "
                "maps."
            )
        first[key] = maps
