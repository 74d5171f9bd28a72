"""The page of all participants has both sides of the cortex, and an export has no surfaces."""

import re

from boldglm.cli.main import main
from fake_surfaces import write_cifti, write_surfaces
from index_tables import Tables

OLS = ("--noise-model", "ols")


def analyzed(dataset, out, space):
    calls = (("participant", "--space", space, *OLS), ("group",))
    assert [main([str(dataset), str(out), *call]) for call in calls] == [0, 0]
    return (out / "index.html").read_text()


def alternative_texts(text):
    return re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', text)


def test_both_hemispheres_are_in_one_cell_and_not_exported(dataset, tmp_path, capsys):
    write_surfaces(dataset)
    out = tmp_path / "out"
    text = analyzed(dataset, out, "fsaverage5")
    page = Tables(text)

    counts = [shown for _, shown in page.column(0, "cue")]
    assert [value for value, _ in page.column(0, "Runs")] == ["2"] * len(counts)
    assert all(re.fullmatch(r"[\d,]+ vert(ices|ex)", shown) for shown in counts)
    sides = [alt.partition(":")[0] for alt in alternative_texts(text)]
    assert sides[:2] == ["Left hemisphere", "Right hemisphere"]

    capsys.readouterr()
    assert main(["export", str(out), str(tmp_path / "vault")]) == 66
    said = capsys.readouterr().err
    assert "node dataset: maps on surfaces and CIFTI are not exported" in said
    assert not (tmp_path / "vault").exists()


def test_cifti_has_the_cortex_and_what_lies_below(dataset, tmp_path):
    write_cifti(dataset)
    text = analyzed(dataset, tmp_path / "out", "fsLR")

    shown = [text for _, text in Tables(text).column(0, "cue")]
    assert all(text.endswith(("grayordinates", "grayordinate")) for text in shown)
    assert "Left hemisphere" in {alt.partition(":")[0] for alt in alternative_texts(text)}
