"""Temporary files that cannot be written."""

import errno
import os

import numpy as np
import pytest

from boldglm.errors import CannotWriteError
from boldglm.io.images.temporary_store import TemporarySeries, TemporaryVolumes


def test_a_full_disk_is_said_with_the_remedy(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    spool = TemporaryVolumes(tmp_path, np.dtype(np.int16), 4)
    monkeypatch.setattr(os, "pwrite", full)

    with pytest.raises(CannotWriteError, match=r"No space left on device.* -w"):
        spool.append(np.zeros(4, dtype=np.int16))


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CannotWriteError, match="nowhere"):
        TemporarySeries(tmp_path / "nowhere", np.dtype(np.int16), (2, 3))
