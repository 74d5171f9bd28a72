"""`--fresh` fits everything again, once."""

import pytest

from boldglm.cli.main import main
from boldglm.interfaces import fit as interface


def changed(out, before):
    """Return times of change of all maps, and which nodes have maps that were written since."""
    now = {path: path.stat().st_mtime_ns for path in out.rglob("*_statmap.nii.gz")}
    nodes = {path.relative_to(out).parts[0] for path, time in now.items()
             if before.get(path) != time}  # fmt: skip
    return now, nodes


@pytest.mark.parametrize("level", ["participant", "subject"])
def test_what_was_fitted_afresh_is_finished_afterwards(
    dataset, tmp_path, level, capsys, monkeypatch
):
    out = tmp_path / "out"
    whole = [str(dataset), str(out), "participant", "--participant-label", "01"]
    whole += ["--noise-model", "ols", "--contrast", "cue - target"]
    one_level = [str(dataset), str(out), "subject"]
    assert main(whole) == 0
    maps, _ = changed(out, {})

    again = whole if level == "participant" else one_level
    assert main([*again, "--fresh"]) == 0
    maps, nodes = changed(out, maps)
    assert nodes == {"node-subject"} | ({"node-run"} if level == "participant" else set())

    capsys.readouterr()
    assert main(whole) == 0
    assert main(one_level) == 0
    assert changed(out, maps)[1] == (set() if level == "subject" else {"node-subject"})
    assert "2 of 2 runs were already finished" in capsys.readouterr().out

    def refuse(*_, **__):
        raise AssertionError("a series was read")

    monkeypatch.setattr(interface, "load_run", refuse)
    other = ("--contrast", "cue + target", "--model-name", "sum")
    assert main([*whole, *other]) == 0  # the fits that were kept are taken
