"""The baseline of training: Keras' own `fit` on arrays in memory.

    tests/bench/fit_in_memory.py '{"source": "model.py", "arrays": "stream.npz", …}'

Prints the seconds that `fit` took, and a digest of the weights, as JSON.
"""

import hashlib
import json
import runpy
import sys
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def main(wanted: dict[str, Any]) -> None:
    """Fit as plain Keras does; with a seed, repeatably."""
    stream = np.load(wanted["arrays"])
    options = wanted.get("fit", {})
    if (seed := wanted.get("seed")) is not None:
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
    model = runpy.run_path(wanted["source"])["model"]
    features, labels = stream["features"], stream["labels"]
    started = time.perf_counter()
    model.fit(
        features,
        labels,
        epochs=wanted["epochs"],
        batch_size=wanted["batch_size"],
        verbose=0,
        **options,
    )
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "weights": digest_of(model)}))


def digest_of(model: Any) -> str:
    """Return the SHA-256 of all weights, bit by bit."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
