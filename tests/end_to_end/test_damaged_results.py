"""A result that is not as it was written counts as not finished, at every level."""

import os
import shutil
from pathlib import Path

import pytest

from boldglm.cli.main import main

OPTIONS = ("--noise-model", "ols", "--conditions", "cue")


@pytest.fixture(scope="module")
def finished(small_dataset, tmp_path_factory):
    """Return the results of both levels, which no test may change."""
    out = tmp_path_factory.mktemp("damaged") / "out"
    assert main([str(small_dataset), str(out), "participant", *OPTIONS]) == 0
    assert main([str(small_dataset), str(out), "group"]) == 0
    return out


@pytest.fixture
def out(finished, tmp_path):
    """Return a copy of the results."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def empty(path):
    os.truncate(path, 0)


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [empty, flip_a_byte])
@pytest.mark.parametrize(
    "pattern",
    [
        "node-run/sub-02/func/*run-1*_stat-t_statmap.nii.gz",
        "node-run/sub-02/func/*run-1*_desc-brain_mask.json",
        "node-run/sub-02/func/*run-1*_design.tsv",
        "node-subject/sub-02/func/*_stat-effect_statmap.nii.gz",
    ],
)
def test_a_damaged_file_of_a_participant_is_written_again(
    small_dataset, finished, out, pattern, damage
):
    path = min(out.glob(pattern))
    damage(path)

    assert main([str(small_dataset), str(out), "participant", *OPTIONS]) == 0
    assert path.read_bytes() == (finished / path.relative_to(out)).read_bytes()


def test_a_damaged_map_of_the_group_is_written_again(small_dataset, finished, out, capsys):
    path = min(out.glob("node-dataset/*_stat-t_statmap.nii.gz"))
    empty(path)

    assert main([str(small_dataset), str(out), "group"]) == 0
    assert path.read_bytes() == (finished / path.relative_to(out)).read_bytes()
    assert "Nothing to do" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", [empty, flip_a_byte])
def test_the_group_refuses_a_damaged_map_by_name(small_dataset, out, damage, capsys):
    path = min(out.glob("node-subject/sub-02/func/*_stat-effect_statmap.nii.gz"))
    damage(path)

    assert main([str(small_dataset), str(out), "group"]) == 65
    message = capsys.readouterr().err
    assert f"{path} is damaged" in message
    assert "Run the level that writes it again" in message


@pytest.mark.parametrize("damage", [empty, flip_a_byte])
@pytest.mark.parametrize("pattern", ["cached*", "outputs.json"])
def test_a_damaged_entry_of_the_fit_cache_is_fitted_again(
    small_dataset, finished, out, pattern, damage
):
    for path in out.glob(f".boldglm-work/fits/**/{pattern}"):
        damage(path)
    shutil.rmtree(out / "node-run")

    assert main([str(small_dataset), str(out), "participant", *OPTIONS]) == 0
    for path in (finished / "node-run").rglob("*_statmap.nii.gz"):
        assert (out / path.relative_to(finished)).read_bytes() == path.read_bytes()
