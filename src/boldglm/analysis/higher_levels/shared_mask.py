"""The voxels that enough inputs of a higher-level node have, and their mean image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boldglm.errors import BadDataError
from boldglm.io.images.formats import read_geometry
from boldglm.io.images.geometry import Geometry
from boldglm.notices import Notice, exclusion, note


@dataclass(frozen=True)
class SharedMask:
    """The voxels that enough inputs have.

    Parameters
    ----------
    geometry : Geometry
        The voxels.
    masks : tuple of bytes
        Whether each input has each of them, as bits.
    mask_file : Path
        Image of the voxels.
    notices : tuple of Notice
        Voxels that were excluded, or that some inputs lack.
    size : dict
        Numbers of analyzed and excluded voxels.
    """

    geometry: Geometry
    masks: tuple[bytes, ...]
    mask_file: Path
    notices: tuple[Notice, ...]
    size: dict[str, int]

    def lacks(self, index: int) -> np.ndarray:
        """Return whether an input lacks each voxel, (n_voxels,)."""
        return ~_unpacked(self.masks[index], self.geometry.n_voxels)


def share_mask(
    masks: Sequence[Path], labels: Sequence[str], coverage: float, folder: Path
) -> SharedMask:
    """Write the mask of voxels that a share of the inputs has, and count the others.

    Parameters
    ----------
    masks : sequence of Path
        Mask of each input, read one after the other.
    labels : sequence of str
        Name of each input.
    coverage : float
        Share of the inputs that a voxel needs, above 0 and up to 1.
    folder : Path
        Folder of the mask.

    Raises
    ------
    BadDataError
        If the masks lie on different grids, or have no voxel in common.
    """
    n_inputs, first = len(masks), read_geometry(masks[0])
    counts = np.zeros(first.shape, dtype=np.int32)
    packed: dict[bytes, bytes] = {}  # equal masks are held once
    of_inputs = []
    for number, path in enumerate(masks):
        geometry = read_geometry(path) if number else first
        geometry.check_same(path.name, first, masks[0].name)
        counts += geometry.mask
        bits = np.packbits(geometry.mask).tobytes()
        of_inputs.append(packed.setdefault(bits, bits))
    needed = max(1, int(np.ceil(coverage * n_inputs - 1e-9)))
    shared = first.with_mask(np.asarray(counts >= needed))
    noun = shared.element_name
    if not shared.n_voxels:
        raise BadDataError(
            f"The masks of the {n_inputs} inputs ({labels[0]}, ...) have no {noun} in common. "
            "Check that all inputs are in the same space."
        )
    mask_file = shared.write_map(folder, "mask", np.ones(shared.n_voxels), dtype=np.uint8)
    excluded = int((counts > 0).sum()) - shared.n_voxels
    notices = _notices(counts[shared.mask], n_inputs, needed, excluded, noun)
    within = {bits: _within(bits, shared.mask) for bits in packed}
    return SharedMask(
        shared,
        tuple(within[bits] for bits in of_inputs),
        mask_file,
        notices,
        {"Analyzed": shared.n_voxels, "Excluded": excluded},
    )


def _notices(
    counts: np.ndarray, n_inputs: int, needed: int, excluded: int, noun: str
) -> tuple[Notice, ...]:
    notices: list[Notice] = []
    if excluded:
        reason = "they are not in the masks of all inputs"
        if needed < n_inputs:
            reason = f"they are in the masks of fewer than {needed} of {n_inputs} inputs"
        notices.append(exclusion(f"{excluded} {noun}: {reason}"))
    partial = int((counts < n_inputs).sum())
    if partial:
        notices.append(
            note(
                f"{partial} of {counts.size} {noun} lie outside the mask of some input and "
                f"were fitted with the inputs that have them, {needed} or more"
            )
        )
    return tuple(notices)


def _within(bits: bytes, mask: np.ndarray) -> bytes:
    """Return the bits of the voxels of a mask."""
    return np.packbits(_unpacked(bits, mask.size).reshape(mask.shape)[mask]).tobytes()


def _unpacked(bits: bytes, size: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=size).astype(bool)


def write_mean(means: Sequence[Path], geometry: Geometry, folder: Path) -> Path:
    """Write the mean of mean images, of all voxels, reading one after the other."""
    everywhere = geometry.unmasked()
    total = np.zeros(everywhere.shape, order="F")  # as files are, which is faster
    for path in means:
        total += everywhere.read_map(path)
    return everywhere.write_map(folder, "mean", (total / len(means))[everywhere.mask])
