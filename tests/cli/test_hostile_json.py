"""Sidecars and models that would crash, fill the memory or run code end in a message."""

import json

import pytest

from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.cli.main import main
from fake_fmriprep import write_fmriprep

RUN = "sub-01_task-cuetarget_run-1"
DEEP = "[" * 200_000
SIDECARS = {
    "a StartTime of NaN": ('{"RepetitionTime": 2.0, "StartTime": NaN}', "StartTime nan"),
    "an infinite StartTime": ('{"RepetitionTime": 2.0, "StartTime": 1e999}', "StartTime inf"),
    "a StartTime of 400 digits": (
        f'{{"RepetitionTime": 2.0, "StartTime": 1{"0" * 400}}}',
        "StartTime inf",
    ),
    "a StartTime in milliseconds": ('{"RepetitionTime": 2.0, "StartTime": 950}', "StartTime 950"),
    "an infinite RepetitionTime": ('{"RepetitionTime": Infinity}', "RepetitionTime inf"),
    "lists without end": ('{"a": ' + DEEP, "nested more than 100 levels"),
    "code": ('{"RepetitionTime": "__import__(\'os\').abort()"}', 'RepetitionTime "__import__'),
}
CODE = "__import__('pathlib').Path('{}').touch()"


def model(tmp_path, change):
    content = default_model("cuetarget", ["cue", "target"], 2.0, DefaultModelOptions())
    change(content["Nodes"][0])
    path = tmp_path / "model_smdl.json"
    path.write_text(json.dumps(content))
    return ("-m", str(path))


@pytest.mark.parametrize(("content", "finding"), SIDECARS.values(), ids=SIDECARS)
def test_a_hostile_sidecar_of_fmriprep_is_refused_by_name(
    content, finding, dataset, tmp_path, capsys
):
    folder = write_fmriprep(dataset) / "sub-01" / "func"
    sidecar = next(folder.glob(f"{RUN}*_desc-preproc_bold.json"))
    sidecar.write_text(content)

    code = main([str(dataset), str(tmp_path / "out"), "participant", "--on-bad-run", "stop"])

    said = capsys.readouterr().err
    assert code == 65
    assert finding in said
    assert sidecar.name.removesuffix(".json") in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("weight", ["1e999999999", "1/0", 10**400, CODE])
def test_a_hostile_weight_is_refused_with_its_path(weight, dataset, tmp_path, capsys):
    def change(node):
        node["Contrasts"][0]["Weights"] = [weight]

    code = main([str(dataset), str(tmp_path / "out"), "participant", *model(tmp_path, change)])

    assert code == 65
    assert "at $.Nodes[0].Contrasts[0].Weights: " in capsys.readouterr().err


def test_a_model_or_a_filter_without_end_is_refused(dataset, tmp_path, capsys):
    path = tmp_path / "deep.json"
    path.write_text(DEEP)
    call = [str(dataset), str(tmp_path / "out"), "participant"]

    assert main([*call, "-m", str(path)]) == 65
    assert main([*call, "--bids-filter-file", str(path)]) == 65

    assert capsys.readouterr().err.count("nested more than 100 levels") == 2


PLACES = {
    "query": lambda node, code: node["Transformations"]["Instructions"].insert(
        0, {"Name": "Filter", "Input": ["trial_type"], "Query": f"trial_type == {code}"}
    ),
    "operand": lambda node, code: node["Transformations"]["Instructions"].insert(
        0, {"Name": "Scale", "Input": ["duration"], "Demean": code}
    ),
    "formula": lambda node, code: node["Model"].update({"Formula": code}),
    "regressor": lambda node, code: node["Model"]["X"].insert(0, code),
    "condition": lambda node, code: node["Contrasts"][0].update({"ConditionList": [code]}),
    "cut-off": lambda node, code: node["Model"]["Options"].update(
        {"HighPassFilterCutoffHz": code}
    ),
    "name": lambda node, code: node["Contrasts"][0].update({"Name": code}),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_text_of_a_model_is_run(place, dataset, tmp_path, capsys):
    touched = tmp_path / "touched"
    options = model(tmp_path, lambda node: PLACES[place](node, CODE.format(touched)))

    code = main([str(dataset), str(tmp_path / "out"), "participant", "--dry-run", *options])

    said = capsys.readouterr()
    assert code == 0 if place == "name" else code in (65, 66)
    assert "__import__" in said.out if place == "name" else said.err.startswith("boldglm: ")
    assert not touched.exists()
