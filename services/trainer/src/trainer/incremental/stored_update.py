"""The records of an update, as the trainer has laid them there. Child only."""

from pathlib import Path

import numpy as np

from trainer.exceptions import ModelCodeError
from trainer.incremental.reservoir import Rows
from trainer.messages import DATA_DIRECTORY, update_files


def take_update(number: int) -> Rows:
    """Read the files of an update, and remove them."""
    paths = [Path(DATA_DIRECTORY) / name for name in update_files(number)]
    try:
        features, labels = (np.load(path, allow_pickle=False) for path in paths)
    except (OSError, ValueError) as e:
        raise ModelCodeError(f"the model's code has taken its records away: {e}") from e
    for path in paths:
        path.unlink(missing_ok=True)
    return features, labels
