"""What becomes of large blocks of memory that are freed while records are read."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# Of glibc's <malloc.h>.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
DEFAULT_THRESHOLD = 2**17

# A batch is smaller than a block; what is kept is a few batches.
KEPT_BYTES = 2**26
LARGEST_BLOCK_BYTES = 2**25


@contextmanager
def reused_blocks() -> Iterator[None]:
    """Let blocks that are freed serve again, in place of going back to the system.

    A batch takes blocks of about a megabyte. Each time anew, their pages would cost more
    than what is copied into them. Where the C library is another than glibc nothing
    changes.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK_BYTES)
    library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    try:
        yield
    finally:
        library.mallopt(M_MMAP_THRESHOLD, DEFAULT_THRESHOLD)
        library.mallopt(M_TRIM_THRESHOLD, DEFAULT_THRESHOLD)
        library.malloc_trim(0)
