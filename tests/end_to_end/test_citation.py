"""`logs/CITATION.*` has the methods of everything in the output folder, whoever wrote it."""

import json
import re
from html import unescape

from boldglm.cli.main import main

OLS = ("--noise-model", "ols")


def files(out):
    return {path.name: path.read_text() for path in (out / "logs").glob("CITATION.*")}


def test_jobs_and_one_call_write_the_same_methods(tiny_dataset, tmp_path):
    one, jobs = tmp_path / "one", tmp_path / "jobs"
    assert main([str(tiny_dataset), str(one), "participant", *OLS]) == 0
    for label in ("02", "01"):
        chosen = ("--participant-label", label, "--no-report")
        assert main([str(tiny_dataset), str(jobs), "participant", *OLS, *chosen]) == 0

    assert sorted(files(one)) == [f"CITATION.{ending}" for ending in ("bib", "html", "md", "tex")]
    assert files(one) == files(jobs)
    assert "Benjamini" not in files(one)["CITATION.md"]


def test_the_group_adds_what_it_cites(tiny_dataset, tmp_path):
    out = tmp_path / "out"
    assert main([str(tiny_dataset), str(out), "participant", *OLS]) == 0
    assert main([str(tiny_dataset), str(out), "group"]) == 0
    written = files(out)

    assert written["CITATION.md"].count("Task fMRI data were analyzed with") == 1
    keys = set(re.findall(r"citep\{(\w+)\}", written["CITATION.tex"]))
    assert keys == set(re.findall(r"^@\w+\{(\w+),", written["CITATION.bib"], re.MULTILINE))
    assert {"boldglm", "friston1994", "friston1998", "benjamini1995"} <= keys


def test_a_group_of_another_model_keeps_the_methods_of_the_first(tiny_dataset, tmp_path):
    out, model = tmp_path / "out", tmp_path / "other_smdl.json"
    assert main([str(tiny_dataset), str(out), "participant", *OLS]) == 0
    assert main([str(tiny_dataset), str(out), "group", "--permutations", "4"]) == 0
    content = json.loads((out / "models/model-default_smdl.json").read_text())
    content["Name"] = content["Nodes"][-1]["Name"] = "other"
    model.write_text(json.dumps(content))
    assert main([str(tiny_dataset), str(out), "group", "--model", str(model)]) == 0
    report = unescape((out / "group.html").read_text())

    for text in (report.partition("<h2>Methods</h2>")[2], files(out)["CITATION.md"]):
        assert "controlled by 4 permutations" in text
        assert "(node 'dataset')" in text
        assert "(node 'other')" in text
    assert files(out)["CITATION.md"].count("For each run, a general linear model") == 1


def test_the_report_has_the_methods_to_copy(tiny_dataset, tmp_path):
    out = tmp_path / "out"
    chosen = ("--participant-label", "01")
    assert main([str(tiny_dataset), str(out), "participant", *OLS, *chosen]) == 0
    report = (out / "sub-01.html").read_text()

    copied = dict(re.findall(r'<div hidden id="copy-(\d)">(.*?)</div>', report, re.DOTALL))
    assert re.findall(r'data-copy="copy-\d">(\w+)<', report) == ["text", "LaTeX", "BibTeX"]
    assert "\nReferences\n" in copied["1"]
    assert r"\citep{friston1994}" in copied["2"]
    assert "@article{friston1994," in copied["3"]
