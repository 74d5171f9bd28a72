"""GIFTI files: series and maps of a hemisphere, as others write and read them."""

import base64
import tracemalloc
import zlib

import nibabel as nib
import numpy as np
import pytest

from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.images.bold_series import LoadSettings, load_run
from boldglm.io.images.formats import read_bold_header, read_geometry
from boldglm.io.images.meshes import MEASURED, SHOWN, choose_mesh, find_meshes, read_mesh
from boldglm.io.images.surfaces import Hemisphere
from boldglm.notices import exclusion
from icosphere import icosphere

N_VERTICES, N_SCANS = 162, 20
ENCODINGS = ["ASCII", "B64BIN", "B64GZ"]


def write_func(path, series, encoding="B64GZ", endian="little", metadata=None):
    """Write (n_scans, n_vertices) as nibabel does."""
    arrays = [
        nib.gifti.GiftiDataArray(
            row, intent="NIFTI_INTENT_TIME_SERIES", encoding=f"GIFTI_ENCODING_{encoding}",
            endian=endian, datatype="NIFTI_TYPE_" + row.dtype.name.upper(),
        )
        for row in series
    ]  # fmt: skip
    nib.save(nib.GiftiImage(darrays=arrays, meta=nib.gifti.GiftiMetaData(metadata or {})), path)
    return path


def write_surface(path, points, triangles, metadata=None):
    arrays = [
        nib.gifti.GiftiDataArray(points.astype(np.float32), intent="NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(triangles.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(nib.GiftiImage(darrays=arrays, meta=nib.gifti.GiftiMetaData(metadata or {})), path)
    return path


def signal(dtype=np.float32):
    rng = np.random.default_rng(0)
    return (1000 + rng.normal(0, 5, (N_SCANS, N_VERTICES))).astype(dtype)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_a_series_is_read_as_nibabel_reads_it(tmp_path, encoding, dtype):
    series = np.random.default_rng(0).integers(1, 200, (N_SCANS, N_VERTICES)).astype(dtype)
    path = write_func(tmp_path / "x_hemi-L_bold.func.gii", series, encoding)

    found = load_run(path, None, LoadSettings())

    np.testing.assert_array_equal(np.asarray(found.bold), series)
    np.testing.assert_array_equal(nib.load(path).agg_data("time series").T, series)
    np.testing.assert_allclose(found.mean, series.mean(axis=0), rtol=1e-6)


def test_big_endian_arrays_are_read(tmp_path):
    path = write_func(tmp_path / "bold.func.gii", signal(), "B64BIN", endian="big")

    np.testing.assert_array_equal(np.asarray(load_run(path, None, LoadSettings()).bold), signal())


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None),
        ({"TimeStep": "2500.0"}, 2.5),
        ({"TimeStep": "2.5"}, 2.5),
        ({"TimeStep": "0"}, None),
    ],
)
def test_the_repetition_time_is_that_of_the_metadata_if_there_is_one(tmp_path, metadata, expected):
    path = write_func(tmp_path / "bold.func.gii", signal(), metadata=metadata)

    assert read_bold_header(path).repetition_time == expected


def test_vertices_without_signal_are_left_out_and_counted(tmp_path):
    series = signal()
    series[:, :30] = 0  # the medial wall
    series[:, 30:35] = np.nan

    found = load_run(write_func(tmp_path / "bold.func.gii", series), None, LoadSettings())

    np.testing.assert_array_equal(np.flatnonzero(found.geometry.mask), np.arange(35, N_VERTICES))
    assert found.notices == (
        exclusion(
            "35 of 162 vertices in the mask of bold.func.gii: they are constant or not finite"
        ),
    )


def test_maps_and_series_come_back_through_nibabel_and_through_us(tmp_path):
    rng = np.random.default_rng(0)
    mask = rng.random(N_VERTICES) < 0.7
    place = Hemisphere(mask, "CortexRight")
    row, rows = rng.normal(size=mask.sum()), rng.normal(size=(4, mask.sum()))
    rows[1, 3] = np.nan

    one = place.write_map(tmp_path, "stat-t_statmap", row, intent=("t test", (12.5,)))
    inside = place.write_map(tmp_path, "mask", np.ones(mask.sum()), dtype=np.uint8)
    series = place.write_series(tmp_path, "desc-residuals_bold", rows, 1.5)

    assert [path.name for path in (one, inside, series)] == [
        "stat-t_statmap.shape.gii", "mask.shape.gii", "desc-residuals_bold.func.gii",
    ]  # fmt: skip
    image = nib.load(one)
    expected = np.zeros(N_VERTICES, np.float32)
    expected[mask] = row
    np.testing.assert_array_equal(image.agg_data(), expected)
    assert image.meta["AnatomicalStructurePrimary"] == "CortexRight"
    assert image.darrays[0].intent == nib.nifti1.intent_codes["t test"]
    assert image.darrays[0].meta["intent_p1"] == "12.5"
    np.testing.assert_array_equal(read_geometry(inside).mask, mask)
    np.testing.assert_array_equal(place.read_rows([one])[0], row.astype(np.float32))
    header = read_bold_header(series)
    assert (header.n_scans, header.repetition_time) == (4, 1.5)
    filled = nib.load(series).agg_data("time series").T
    np.testing.assert_array_equal(filled[:, mask], np.nan_to_num(rows.astype(np.float32)))
    assert nib.load(series).darrays[0].intent == nib.nifti1.intent_codes["time series"]


def test_the_two_hemispheres_are_not_taken_for_one_another(tmp_path):
    left, right = (Hemisphere(np.ones(9, bool), f"Cortex{side}") for side in ("Left", "Right"))
    path = left.write_map(tmp_path, "x_hemi-L_mask", np.ones(9))

    with pytest.raises(BadDataError, match="CortexLeft against CortexRight"):
        right.read_rows([path])
    with pytest.raises(BadDataError, match="9 vertices against 12"):
        Hemisphere(np.ones(12, bool), "CortexLeft").read_rows([path])


def gifti(dim, data, *, n_arrays=2, encoding="GZipBase64Binary", doctype="", end="</GIFTI>"):
    array = (
        f'<DataArray Intent="NIFTI_INTENT_TIME_SERIES" DataType="NIFTI_TYPE_FLOAT32" '
        f'ArrayIndexingOrder="RowMajorOrder" Dimensionality="1" Encoding="{encoding}" '
        f'Endian="LittleEndian" ExternalFileName="/etc/passwd" ExternalFileOffset="0" '
        f'Dim0="{dim}"><Data>{data}</Data></DataArray>'
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{doctype}'
        f'<GIFTI Version="1.0" NumberOfDataArrays="{n_arrays}">{array * 2}{end}'
    )


def packed(n_bytes):
    return base64.b64encode(zlib.compress(bytes(n_bytes), 9)).decode()


ENTITIES = '<!DOCTYPE GIFTI [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (gifti(10**12, packed(40)), "shape in its header gives an array of 1000000000000 values"),
        (gifti(-5, packed(40)), "'-5' is not a whole number"),
        (gifti(10, packed(2**26)), "an array should have 40 bytes, but has more"),
        (gifti(2**20, packed(400)), "should have 4194304 bytes, but has 400"),
        (gifti(10, packed(40), n_arrays=10**9), r"\d+ bytes, and its NumberOfDataArrays is 10"),
        (gifti(10, packed(40), n_arrays=3), "has 2 volumes, but its NumberOfDataArrays is 3"),
        (gifti(10, packed(40), end=""), "does not end with </GIFTI>"),
        (gifti(10, packed(40))[:-5], "does not end with </GIFTI>"),
        (gifti(10, "x", encoding="ExternalFileBinary"), "'ExternalFileBinary' is not supported"),
        (gifti(10, packed(40), doctype=ENTITIES), "XML entities"),
        (gifti(10, "!!!"), "not a readable GIFTI file"),
        ("no XML", "not a readable GIFTI file"),
        ("<GIFTI></GIFTI>", "has no array"),
    ],
    ids=["huge", "negative", "bomb", "short", "many", "fewer", "cut", "cut tag", "external",
         "entities", "not base64", "not XML", "empty"],
)  # fmt: skip
def test_a_file_that_lies_is_refused_without_memory(tmp_path, content, finding):
    path = tmp_path / "bold.func.gii"
    path.write_text(content)
    tracemalloc.start()

    with pytest.raises(BadDataError, match=finding):
        load_run(path, None, LoadSettings())

    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_a_surface_or_a_series_in_one_array_is_no_bold_series(tmp_path):
    points, triangles = icosphere(1)
    surface = write_surface(tmp_path / "x.surf.gii", points, triangles)
    table = write_func(tmp_path / "x.func.gii", [signal()])

    with pytest.raises(BadDataError, match="42 x 3 values and the intent NIFTI_INTENT_POINTSET"):
        read_bold_header(surface)
    with pytest.raises(BadDataError, match=r"20 x 162 values .* a func\.gii file has one array"):
        read_bold_header(table)


def test_smoothing_needs_a_mesh_whose_distances_are_those_of_the_cortex(tmp_path):
    points, triangles = icosphere(2)
    series = write_func(tmp_path / "x_hemi-L_bold.func.gii", signal())
    inflated = write_surface(tmp_path / "x_hemi-L_inflated.surf.gii", points, triangles)
    right = write_surface(tmp_path / "x_hemi-R_midthickness.surf.gii", points, triangles)
    left = write_surface(tmp_path / "x_hemi-L_midthickness.surf.gii", points, triangles)

    with pytest.raises(BadDataError, match=r"162 vertices .* Found: x_hemi-L_inflated\.surf\.gii"):
        load_run(series, None, LoadSettings(smoothing=60.0, meshes=(inflated, right)))
    found = load_run(series, None, LoadSettings(smoothing=60.0, meshes=(inflated, right, left)))

    before, after = signal().std(axis=0).mean(), np.asarray(found.bold).std(axis=0).mean()
    assert after < before / 2
    np.testing.assert_allclose(np.asarray(found.bold).mean(), signal().mean(), rtol=1e-4)


def test_the_mesh_is_chosen_by_kind_side_and_number_of_vertices(tmp_path):
    points, triangles = icosphere(2)
    coarse = icosphere(1)
    names = ("hemi-L_white", "hemi-L_inflated", "hemi-R_midthickness")
    files = [write_surface(tmp_path / f"{n}.surf.gii", points, triangles) for n in names]
    files.append(write_surface(tmp_path / "hemi-L_midthickness.surf.gii", *coarse))

    def chosen(kinds, n_vertices):
        mesh = choose_mesh(files, kinds, "CortexLeft", n_vertices)
        return mesh and mesh.path.name.removesuffix(".surf.gii")

    assert chosen(SHOWN, 162) == "hemi-L_inflated"
    assert chosen(MEASURED, 162) == "hemi-L_white"
    assert chosen(MEASURED, 42) == "hemi-L_midthickness"
    assert chosen(SHOWN, 99) is None


def test_surfaces_of_freesurfer_are_read(tmp_path):
    points, triangles = icosphere(2)
    nib.freesurfer.write_geometry(tmp_path / "rh.inflated", points, triangles)

    mesh = read_mesh(tmp_path / "rh.inflated")

    np.testing.assert_allclose(mesh.coordinates, points, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(mesh.triangles, triangles)
    assert (mesh.kind, mesh.structure) == ("inflated", "CortexRight")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lh.white", "is truncated: its header gives 42 vertices and 80 triangles"),
        ("x_hemi-L_white.surf.gii", "is not a readable surface: its triangles refer to vertices"),
    ],
)
def test_a_damaged_surface_is_named(tmp_path, name, expected):
    points, triangles = icosphere(1)
    path = tmp_path / name
    if name.startswith("lh"):
        nib.freesurfer.write_geometry(path, points, triangles)
        path.write_bytes(path.read_bytes()[:-50])
    else:
        write_surface(path, points, triangles + 1)

    with pytest.raises(BadDataError, match=rf"{name} {expected}"):
        read_mesh(path)
    with pytest.raises(MissingInputError, match="There is no surface"):
        read_mesh(tmp_path / "other.surf.gii")


def test_meshes_are_found_beside_the_series_and_in_the_templates_of_freesurfer(tmp_path):
    anat, surf = tmp_path / "sub-01/anat", tmp_path / "sourcedata/freesurfer/fsaverage5/surf"
    func = tmp_path / "sub-01/ses-a/func"
    for folder in (anat, surf, func):
        folder.mkdir(parents=True)
    names = ("hemi-L_white", "hemi-L_sphere", "hemi-L_space-fsLR_den-32k_midthickness")
    for name in names:
        (anat / f"sub-01_{name}.surf.gii").touch()
    for name in ("lh.inflated", "rh.white", "lh.sphere.reg", "lh.thickness"):
        (surf / name).touch()

    def found(space, ending):
        entities = {"sub": "01", "space": space}
        paths = find_meshes(tmp_path, func / f"sub-01_bold{ending}", entities)
        return [path.name for path in paths]

    white = "sub-01_hemi-L_white.surf.gii"
    midthickness = "sub-01_hemi-L_space-fsLR_den-32k_midthickness.surf.gii"
    assert found("fsaverage5", ".func.gii") == [white, "lh.inflated", "rh.white"]
    assert found("fsLR", ".dtseries.nii") == [midthickness, white]
    assert found("fsnative", ".func.gii") == [white]
    assert found("MNI152NLin2009cAsym", ".nii.gz") == []


def test_a_surface_of_an_unknown_kind_comes_last_and_a_sphere_never(tmp_path):
    points, triangles = icosphere(2)
    names = ("hemi-L_mine", "hemi-L_sphere", "hemi-L_pial")
    files = [write_surface(tmp_path / f"{n}.surf.gii", points, triangles) for n in names]

    given = (files, files[:2], files[1:2])
    chosen = [choose_mesh(some, MEASURED, "CortexLeft", 162) for some in given]

    assert [mesh and mesh.path.name for mesh in chosen] == [
        "hemi-L_pial.surf.gii", "hemi-L_mine.surf.gii", None,
    ]  # fmt: skip
