"""Compare two output folders of boldglm: same files, same numbers in every map and table.

    python compare_outputs.py REFERENCE OTHER [OTHER ...]

Exits with 1 and says what differs. `image.sh` holds the container to a plain installation by it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

RTOL = 1e-6  # maps are float32, with a rounding of 6e-8
ATOL = (
    1e-9  # as a fraction of the largest value of the map: for voxels that are 0 but for rounding
)


def files_in(folder: Path) -> set[str]:
    """Return the files below a folder, without what tells of the call: logs and work folder."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if path.parts[0] not in ("logs", ".boldglm-work")}


def differences(reference: Path, other: Path) -> list[str]:
    """Return one line for each file that is missing, unexpected or different in `other`."""
    expected, found = files_in(reference), files_in(other)
    if not any(name.endswith(".nii.gz") for name in expected):
        return [f"{reference} holds no maps: nothing to compare with"]
    lines = [f"missing: {name}" for name in sorted(expected - found)]
    lines += [f"unexpected: {name}" for name in sorted(found - expected)]
    for name in sorted(expected & found):
        try:
            if name.endswith(".nii.gz"):
                compare_maps(reference / name, other / name)
            elif name.endswith(".tsv"):
                compare_tables(reference / name, other / name)
        except AssertionError as error:
            reason = " ".join(str(error).split())
            lines.append(f"different: {name}: {reason[:300]}")
    return lines


def compare_maps(reference: Path, other: Path) -> None:
    """Raise AssertionError unless two images have the same grid, type and values."""
    expected, found = nib.load(reference), nib.load(other)
    assert found.get_data_dtype() == expected.get_data_dtype(), "data type"
    np.testing.assert_array_equal(found.affine, expected.affine, "affine")
    values = np.asarray(expected.dataobj)
    np.testing.assert_allclose(
        np.asarray(found.dataobj), values, rtol=RTOL, atol=ATOL * np.abs(values).max()
    )


def compare_tables(reference: Path, other: Path) -> None:
    """Raise AssertionError unless two tables have the same columns and values."""
    expected, found = (pd.read_csv(path, sep="\t") for path in (reference, other))
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=RTOL, atol=ATOL)


def main(argv: Sequence[str]) -> int:
    """Compare every further folder with the first; return 1 if any differs."""
    if len(argv) < 2:
        print("usage: compare_outputs.py REFERENCE OTHER [OTHER ...]", file=sys.stderr)
        return 2
    reference, *others = map(Path, argv)
    failed = False
    for other in others:
        lines = differences(reference, other)
        if lines:
            failed = True
            print(f"{other} differs from {reference} in {len(lines)} files:", file=sys.stderr)
            print("\n".join(f"  {line}" for line in lines[:20]), file=sys.stderr)
        else:
            names = files_in(other)
            n_maps = sum(name.endswith(".nii.gz") for name in names)
            print(f"{other.name} = {reference.name}: {len(names)} files, {n_maps} maps")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
