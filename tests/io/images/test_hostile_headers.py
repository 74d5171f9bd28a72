"""Headers that once displaced voxels, never ended or crashed are refused before the fit."""

import gzip
import struct

import pytest

from boldglm.errors import BadDataError
from boldglm.io.images.formats import read_bold_header, read_geometry
from fuzz import seeds


def refused(path, content, match):
    path.write_bytes(content)
    with pytest.raises(BadDataError, match=match) as error:
        read_bold_header(path)
    assert path.name in str(error.value)


def with_offset(content, offset):
    return content[:108] + struct.pack("<f", offset) + content[112:]


@pytest.mark.parametrize("offset", [0.0, 100.0, 351.5, -1.0, 1e30, float("inf"), float("nan")])
def test_an_offset_at_which_no_values_can_begin_is_refused(offset, tmp_path):
    content = with_offset(seeds.niftis(".nii")[0], offset)

    refused(tmp_path / "x_bold.nii", content, "vox.offset|truncated")


def test_a_header_in_two_byte_orders_is_refused(tmp_path):
    content = seeds.niftis(".nii")[0]

    refused(tmp_path / "x_bold.nii", content[3::-1] + content[4:], "another byte order")


@pytest.mark.parametrize("dimensionality", ["0", "-1", "7", "9" * 20, "x"])
def test_an_array_without_possible_dimensions_is_refused(dimensionality, tmp_path):
    content = seeds.func_giftis()[1].replace(
        b'Dimensionality="1"', f'Dimensionality="{dimensionality}"'.encode()
    )

    refused(tmp_path / "x_bold.func.gii", content, "dimensions|not a readable|number")


@pytest.mark.parametrize("exponent", ["9" * 20, "-" + "9" * 20, "400", "x"])
def test_an_exponent_of_the_series_that_no_time_has_is_refused(exponent, tmp_path):
    content = seeds.dtseries()[0]
    start, stop = content.index(b"<CIFTI"), content.rindex(b"</CIFTI>") + len(b"</CIFTI>")
    xml = content[start:stop].replace(
        b'SeriesExponent="0"', f'SeriesExponent="{exponent}"'.encode()
    )
    assert xml != content[start:stop]
    offset = int.from_bytes(content[168:176], "little")
    size = 16 * (-(-(len(xml) + 8) // 16))
    header = content[:168] + (544 + size).to_bytes(8, "little") + content[176:544]
    extension = size.to_bytes(4, "little") + content[548:552]

    changed = header + extension + xml.ljust(size - 8) + content[offset:]
    refused(tmp_path / "x_bold.dtseries.nii", changed, "SeriesExponent|not a readable")


def truncated(content):
    return content[:-60]


def with_other_length(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def with_a_shorter_content(content):
    return gzip.compress(gzip.decompress(content)[:-200], mtime=0)


def with_a_longer_content(content):
    return gzip.compress(gzip.decompress(content) + bytes(9000), mtime=0)


@pytest.mark.parametrize(
    "damage", [truncated, with_other_length, with_a_shorter_content, with_a_longer_content]
)
def test_damaged_gzip_is_seen_before_the_fit_by_the_length_at_its_end(damage, tmp_path):
    content = damage(seeds.niftis(".nii.gz")[0])

    refused(tmp_path / "x_bold.nii.gz", content, "truncated|damaged|longer|not a readable")


def test_a_qform_that_is_no_rotation_is_refused_and_one_without_a_code_is_not_read(tmp_path):
    content = seeds.niftis(".nii")[0]
    broken = content[:256] + struct.pack("<f", 351.5) + content[260:]
    without_code = broken[:252] + struct.pack("<h", 0) + broken[254:]

    refused(tmp_path / "x_bold.nii", content[:252] + struct.pack("<h", 1) + broken[254:], "qform")
    (tmp_path / "x.nii").write_bytes(without_code)
    assert read_bold_header(tmp_path / "x.nii").n_scans == seeds.N_SCANS


def test_a_map_without_dimensions_is_refused(tmp_path):
    content = seeds.shape_giftis()[1].replace(b'Dimensionality="1"', b'Dimensionality="0"')
    path = tmp_path / "x.shape.gii"
    path.write_bytes(content)

    with pytest.raises(BadDataError, match=r"x\.shape\.gii"):
        read_geometry(path)
