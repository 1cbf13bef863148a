from pathlib import Path

import numpy as np
import pytest

from trainer.data.record_files import PIECE_BYTES, RecordFiles
from trainer.exceptions import DiskError


def test_pieces_are_in_the_files_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    files = RecordFiles(tmp_path, expected=None, max_bytes=None)
    rows = np.arange(PIECE_BYTES, dtype=np.int64).reshape(-1, 64)
    for start in range(0, len(rows), 1000):
        part = slice(start, start + 1000)
        files.append(rows[part], rows[part, 0], rows[part, 1])
    features, labels, offsets = files.finish()
    files.close()
    assert files.count == len(rows)
    assert np.array_equal(features, rows)
    assert np.array_equal(labels, rows[:, 0])
    assert np.array_equal(offsets, rows[:, 1])


def test_more_than_there_is_room_for_ends_while_it_comes(tmp_path: Path) -> None:
    files = RecordFiles(tmp_path, expected=None, max_bytes=3 * PIECE_BYTES)
    rows = np.zeros((PIECE_BYTES // 1024, 1024), np.uint8)

    def append() -> None:
        files.append(rows, rows[:, 0], np.arange(len(rows)))

    append()
    append()
    with pytest.raises(DiskError, match="1033 bytes need"):
        append()
    files.close()
