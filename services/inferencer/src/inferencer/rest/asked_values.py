"""From what a request holds to the values of records, as the stream would have them."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from kafkaml.exceptions import FormatError
from kafkaml.records.base import Codec
from kafkaml.schemas.predictions import PredictionRequest, RecordError

Value = bytes | RecordError


class AskedValues:
    """Encodes records of one format."""

    def __init__(self, *, codec: Codec, input_format: str) -> None:
        self._codec = codec
        self._is_json = input_format == "JSON"

    def values_of(self, request: PredictionRequest) -> list[Value]:
        """Return the value of each record, or why it has none."""
        if request.base64 is not None:
            return [_decoded(each) for each in request.base64]
        records = request.records or []
        return self._encoded_at_once(records) or [self._encoded(each) for each in records]

    def _encoded_at_once(self, records: Sequence[Any]) -> list[Value] | None:
        """Encode records that are all well; None if something is not."""
        try:
            return [*self._codec.encode(np.array(records))]
        except (FormatError, ValueError, TypeError, OverflowError):
            return None

    def _encoded(self, record: Any) -> Value:
        if self._is_json and isinstance(record, dict):
            return orjson.dumps(record)
        try:
            [value] = self._codec.encode(np.array([record]))
        except FormatError as e:
            return _refusal(f"{e}")
        except (ValueError, TypeError, OverflowError):
            return _refusal("the record is not a rectangular array of numbers")
        return value


def _decoded(text: str) -> Value:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return _refusal("the text is not base64")


def _refusal(message: str) -> RecordError:
    return RecordError(stage="decode", message=message)
