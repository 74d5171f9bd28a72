"""Options of a call that become part of a model file."""

from boldglm.analysis.model.model import parse_model

HRF = {"Model": "spm", "Variables": ["trial_type.go"]}


def test_options_reach_nodes_without_names():
    content = {
        "Name": "plain",
        "BIDSModelVersion": "1.0.0",
        "Nodes": [
            {
                "Level": "Run",
                "GroupBy": ["run", "subject"],
                "Model": {"Type": "glm", "X": ["trial_type.go", 1], "HRF": HRF},
            },
            {"Level": "Dataset", "GroupBy": ["contrast"], "Model": {"Type": "glm", "X": [1]}},
        ],
    }
    model = parse_model(
        content, "plain.json", {"NoiseModel": "ar1"}, {"dataset": {"SmoothingFWHM": 4.0}}
    )

    assert model.noise_model == "ar1"
    assert model.spec.node("dataset").boldglm_options["SmoothingFWHM"] == 4.0
    assert "SmoothingFWHM" not in model.spec.node("run").boldglm_options
