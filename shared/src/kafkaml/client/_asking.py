"""Records that are asked about, in requests of a size that the API takes."""

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kafkaml.client._calls import build
from kafkaml.schemas.predictions import MAX_RECORDS, PredictionRequest

if TYPE_CHECKING:
    import numpy as np


def requests_of(
    records: "Sequence[Any] | np.ndarray[Any, Any]",
) -> Iterator[PredictionRequest]:
    """Yield the requests for `records`, in their order; bytes go as they are."""
    for first in range(0, len(records), MAX_RECORDS):
        part = records[first : first + MAX_RECORDS]
        if isinstance(part[0], bytes):
            texts = [base64.b64encode(each).decode() for each in part]
            yield build(PredictionRequest, base64=texts)
        else:
            plain = part.tolist() if hasattr(part, "tolist") else list(part)
            yield build(PredictionRequest, records=plain)
