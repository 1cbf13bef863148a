"""Has TensorFlow imported before there is anything to do, so that forks need not."""

import gc
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

# The model's process gets an environment of its own, but too late for these.
_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    # Below the folder of the process that makes use of it.
    "KERAS_HOME": ".keras",
    # Threads of the parent would be missing in its forks.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def preload() -> None:
    """Make this process one to be forked; end it if TensorFlow does not let that be."""
    import_all()
    if (count := len(list(Path("/proc/self/task").iterdir()))) != 1:
        sys.exit(f"TensorFlow has started threads ({count - 1}): it cannot be forked")
    gc.freeze()  # what is never looked at stays shared


def import_all() -> None:
    """Import what a model's process needs; run no operation, which would start threads."""
    os.environ.clear()
    os.environ.update(_ENVIRONMENT)
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        import trainer.child
        import trainer.fit.training
        import trainer.models.failures
        import trainer.models.inspection
        import trainer.models.source  # noqa: F401

        os.chdir("/")
    for each in _ENVIRONMENT:  # what TensorFlow has added stays
        del os.environ[each]
