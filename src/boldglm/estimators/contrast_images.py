"""The images of one contrast, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boldglm.io.images.formats import load_in_memory
from boldglm.io.outputs.records import ContrastMaps, NodeResult
from boldglm.notices import Notice
from boldglm.suggestions import list_known


@dataclass(frozen=True, eq=False)
class ContrastImages:
    """The images of one contrast: float32, zero outside the mask.

    Images are of the kind of the data: NIfTI, GIFTI or CIFTI images of nibabel. Each is also an
    attribute: ``images.t``, ``images.effect``.

    Parameters
    ----------
    name : str
        Name of the contrast.
    test : {"t", "F"}
        The test.
    dof : float
        Residual degrees of freedom; the median where they differ between voxels.
    dof_numerator : int
        Degrees of freedom of the numerator of F; 1 for t.
    weights : mapping of str to list of float
        Weight of each regressor, one number a row of the contrast.
    images : mapping of str to nibabel image
        ``"effect"`` and ``"variance"`` (t contrasts), ``"t"`` or ``"F"``, ``"z"``, ``"p"``
        (one-sided, upper tail), ``"dof"`` where it differs between voxels; from second levels
        also ``"qFDR"`` and, with permutations, ``"pFWE"`` and the like, which are two-sided
        unless ``sides="one"``.
    mask : nibabel image
        1 in the voxels that were analyzed.
    mean : nibabel image
        Mean BOLD image, to draw on.
    notices : tuple of Notice
        Exclusions, warnings and notes.

    See Also
    --------
    boldglm.FirstLevel.contrast, boldglm.SecondLevel.contrast : Make them.

    Examples
    --------
    >>> images = ContrastImages("go", "t", 57.0, 1, {"go": [1.0]}, {}, None, None)
    >>> images
    ContrastImages: t contrast 'go'
      weights: go 1
      degrees of freedom: 57; images: none
    """

    name: str
    test: str
    dof: float
    dof_numerator: int
    weights: Mapping[str, list[float]]
    images: Mapping[str, Any]
    mask: Any
    mean: Any
    notices: tuple[Notice, ...] = field(default=())

    @classmethod
    def of(cls, maps: ContrastMaps, result: NodeResult) -> "ContrastImages":
        """Load the maps of a contrast from disk.

        Parameters
        ----------
        maps : ContrastMaps
            Files of the contrast.
        result : NodeResult
            The result that they belong to.

        Returns
        -------
        ContrastImages
            Independent of the files.
        """
        return cls(
            maps.name,
            maps.test,
            maps.dof,
            maps.dof_numerator,
            maps.weights,
            {label: load_in_memory(path) for label, path in maps.maps.items()},
            load_in_memory(result.mask),
            load_in_memory(result.mean),
            result.notices,
        )

    def __getattr__(self, label: str) -> Any:
        images = self.__dict__.get("images", {})
        if label in images:
            return images[label]
        raise AttributeError(f"no image {label!r}.{list_known(label, images)}")

    def write(self, folder: Path) -> NodeResult:
        """Write the images to a folder, as an input of a higher level.

        Parameters
        ----------
        folder : Path
            Where the files go; it must exist.

        Returns
        -------
        NodeResult
            A result with this one contrast.
        """
        files = {label: _save(image, folder, label) for label, image in self.images.items()}
        maps = ContrastMaps(
            self.name, self.test, dict(self.weights), self.dof, self.dof_numerator, files
        )
        return NodeResult(
            _save(self.mask, folder, "mask"), _save(self.mean, folder, "mean"), (maps,)
        )

    def __repr__(self) -> str:
        weights = ", ".join(
            f"{regressor} {' '.join(f'{value:g}' for value in values)}"
            for regressor, values in self.weights.items()
        )
        dof = f"{self.dof:g}" if self.test == "t" else f"{self.dof_numerator}, {self.dof:g}"
        return (
            f"ContrastImages: {self.test} contrast {self.name!r}\n"
            f"  weights: {weights}\n"
            f"  degrees of freedom: {dof}; images: {', '.join(self.images) or 'none'}"
        )


def _save(image: Any, folder: Path, stem: str) -> Path:
    path = folder / f"{stem}{image_ending_of(image)}"
    image.to_filename(path)
    return path


def image_ending_of(image: Any) -> str:
    """Return the file ending that fits an image of nibabel, uncompressed."""
    endings = {"GiftiImage": ".shape.gii", "Cifti2Image": ".dscalar.nii"}
    return endings.get(type(image).__name__, ".nii")
