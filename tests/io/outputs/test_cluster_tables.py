"""The table of clusters as a file, and what its sidecar says."""

import json

import numpy as np
import pandas as pd

from boldglm.glm import ClusterPeak
from boldglm.io.outputs.cluster_tables import COLUMNS, write_cluster_table

PEAKS = [
    ClusterPeak(1, 1, 4, -2.0, 0.5, 30.0, 7.25, 12, 96.0, 20.5),
    ClusterPeak(1, 2, 2, 8.0, 0.5, 30.0, 5.0, 12, 96.0, 20.5),
    ClusterPeak(2, 1, 0, 1.0, 1.0, 1.0, -6.0, 1, np.nan, 2.0),
]


def test_a_table_has_a_row_for_each_peak_and_values_of_the_maps_there(tmp_path):
    maps = {
        "p": np.array([1e-8, 1, 0.02, 1, 0.001]),
        "pFWE": np.array([0.2, 1, 0.3, 1, 0.01]),
        "pFWEextent": np.linspace(0.1, 0.5, 5),
    }

    path = write_cluster_table(tmp_path / "contrast-a_desc-clusters_table.tsv", PEAKS, maps, "a")

    table = pd.read_csv(path, sep="\t", dtype={"cluster_id": str})
    assert list(table) == list(COLUMNS)
    assert table["sign"].tolist() == ["positive", "positive", "negative"]
    assert table["cluster_id"].tolist() == ["1", "1a", "2"]
    np.testing.assert_allclose(table["peak_t"], [7.25, 5, -6], rtol=0)
    np.testing.assert_allclose(table["p_uncorrected"], [0.001, 0.02, 1e-8], rtol=1e-6)
    np.testing.assert_allclose(table["p_fwe"], [0.01, 0.3, 0.2], rtol=1e-6)
    np.testing.assert_allclose(table["p_fwe_extent"], [0.5, np.nan, 0.1], rtol=1e-6)
    np.testing.assert_allclose(table["size"], [12, np.nan, 1], rtol=0)
    np.testing.assert_allclose(table["volume"], [96, np.nan, np.nan], rtol=0)
    assert table[["p_fwe_tfce", "p_fwe_mass", "q_fdr"]].isna().all().all()
    assert path.read_text().splitlines()[2].split("\t")[6] == "n/a"


def test_the_sidecar_describes_every_column(tmp_path):
    path = write_cluster_table(tmp_path / "x_table.tsv", [], {}, "Clusters above 3")

    content = json.loads((tmp_path / "x_table.json").read_text())
    assert content.pop("Description") == "Clusters above 3"
    assert set(content) == set(COLUMNS)
    assert all(column["Description"] for column in content.values())
    assert (content["x"]["Units"], content["volume"]["Units"]) == ("mm", "mm^3")
    assert path.read_text() == "\t".join(COLUMNS) + "\n"
