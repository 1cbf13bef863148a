"""The baseline of training: Keras' own `fit` on arrays, with a source given by path."""

import json
import runpy
import sys
import time

import numpy as np
from sklearn.datasets import load_digits


def main(source: str, epochs: str, batch_size: str) -> None:
    """Print the seconds that `fit` took, as JSON."""
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    model = runpy.run_path(source)["model"]
    started = time.perf_counter()
    model.fit(images, labels, epochs=int(epochs), batch_size=int(batch_size), verbose=0)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])
