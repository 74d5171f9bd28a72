"""`boldglm export`: the maps of a group, with what NeuroVault's forms ask for."""

import csv
import json
import shutil

import pytest

from boldglm.cli.main import main


@pytest.fixture(scope="module")
def group(tiny_dataset, tmp_path_factory):
    """Return an output folder with a group of two participants, in no template."""
    out = tmp_path_factory.mktemp("group") / "out"
    assert main([str(tiny_dataset), str(out), "participant", "--noise-model", "ols"]) == 0
    assert main([str(tiny_dataset), str(out), "group"]) == 0
    return out


def table(folder):
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_maps_of_every_model_are_there_with_what_is_asked_for(demo, tmp_path, capsys):
    out, folder = demo.folder / "derivatives/boldglm", tmp_path / "new/vault"
    assert main(["export", str(out), str(folder)]) == 0
    said = capsys.readouterr().out

    rows = {row["Filename"]: row for row in table(folder)}
    images = {image["file"]: image for image in json.loads((folder / "images.json").read_text())}
    copied = {path.name: path for path in folder.glob("*.nii.gz")}
    assert rows.keys() == images.keys() == copied.keys()
    assert {name.partition("_")[0] for name in copied} == {
        "node-dataset", "node-groups", "node-orthogonalizedDataset"
    }  # fmt: skip
    assert f"Exported {len(copied)} maps of 3 nodes" in said

    (name,) = (
        name for name in copied if "node-dataset" in name and "contrast-cue_stat-t_" in name
    )
    (source,) = (out / "node-dataset").glob("*contrast-cue_stat-t_statmap.nii.gz")
    assert copied[name].read_bytes() == source.read_bytes()
    assert {
        key: rows[name][key] for key in rows[name] if key not in ("Filename", "description")
    } == {
        "name": "cue: t (dataset)",
        "map_type": "T map",
        "analysis_level": "group",
        "number_of_subjects": "10",
        "modality": "fMRI-BOLD",
        "contrast_definition": "cue",
        "statistic_parameters": "9.0",
        "cognitive_paradigm_cogatlas": "",
        "cognitive_contrast_cogatlas": "",
        "cognitive_paradigm_description_url": "",
        "smoothness_fwhm": "",
        "figure": "",
    }
    assert (images[name]["map_type"], images[name]["analysis_level"]) == ("T", "G")
    assert images[name]["target_template_image"] == "GenericMNI"

    (difference,) = (
        image for file, image in images.items() if "cueYoungerMinusOlder_stat-effect" in file
    )
    assert difference["map_type"] == "U"
    assert "in %." in difference["description"]
    assert "group.younger 1; group.older -1" in difference["description"]
    assert "statistic_parameters" not in difference


def test_kinds_of_maps_are_chosen_and_other_spaces_are_warned_of(group, tmp_path, capsys):
    folder = tmp_path / "vault"
    folder.mkdir()
    assert main(["export", str(group), str(folder), "--maps", "z"]) == 0
    said = capsys.readouterr().out

    assert {row["map_type"] for row in table(folder)} == {"Z map"}
    assert "Warning: node dataset: its space is that of the BOLD series" in said
    assert all(
        "target_template_image" not in image
        for image in json.loads((folder / "images.json").read_text())
    )
    assert "## References" in (folder / "methods.md").read_text()
    assert "cognitive_paradigm_cogatlas" in (folder / "README.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vault"]  # nothing temporary


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("full", 2, "is not an empty folder, and an export replaces nothing"),
        ("group/vault", 2, "a BIDS dataset in which it has no place"),
    ],
)
def test_an_export_replaces_nothing(group, tmp_path, capsys, place, code, words):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious").touch()
    (tmp_path / "group").symlink_to(group)
    assert main(["export", str(tmp_path / "group"), str(tmp_path / place)]) == code
    assert words in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["precious"]


def test_a_damaged_map_is_not_exported(group, tmp_path, capsys):
    out = shutil.copytree(group, tmp_path / "out")
    (path,) = (out / "node-dataset").glob("*contrast-cue_stat-t_statmap.nii.gz")
    path.write_bytes(path.read_bytes()[:-4])
    assert main(["export", str(out), str(tmp_path / "vault")]) == 65
    assert f"{path} is missing, or not as it was written" in capsys.readouterr().err
    assert not (tmp_path / "vault").exists()


def test_without_a_group_there_is_nothing_to_export(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(["export", str(tmp_path / "out"), str(tmp_path / "vault")]) == 66
    assert (
        "no results of the group to export. Run the group level first" in capsys.readouterr().err
    )
