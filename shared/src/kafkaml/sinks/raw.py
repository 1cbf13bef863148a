"""The sink of the RAW format."""

from typing import Any, ClassVar, Unpack

import numpy as np

from kafkaml.sinks.arrays import as_array
from kafkaml.sinks.base import Sink, SinkOptions
from kafkaml.sinks.columns import Column, LabelColumn

_BYTES_PER_WRITE = 16 * 1024 * 1024


class RawSink(Sink):
    """Sends arrays as their bytes: the value is the data, the key the label.

    Types and shapes are those of the first sample. With `data_type` or `label_type` (a name
    such as `float32`) the samples are converted, as far as no value is changed but rounded.
    Later samples must fit. A label is a number, a text or an array; without labels the
    records have no key.

        with RawSink(topic="digits", deployment_id=1, validation_rate=0.1) as sink:
            sink.send_many(images, labels)
    """

    input_format: ClassVar[str] = "RAW"

    def __init__(
        self,
        *,
        data_type: str | None = None,
        label_type: str | None = None,
        **options: Unpack[SinkOptions],
    ) -> None:
        super().__init__(**options)
        self._data = Column("data", data_type)
        self._labels = LabelColumn(label_type)

    def send(self, data: Any, label: Any = None) -> None:
        """Send one sample; raise FormatError if it does not fit the earlier ones."""
        labels = None if label is None else as_array(label)[np.newaxis]
        self.send_many(as_array(data)[np.newaxis], labels)

    def send_many(self, data: Any, labels: Any = None) -> None:
        """Send the rows of an array of shape `(samples, *shape of one)`, or of a frame.

        `labels` has shape `(samples, *shape of one)`, too. Raises FormatError, before
        anything is sent, if a sample does not fit the earlier ones.
        """
        rows = self._data.fit(as_array(data))
        label_rows = self._labels.rows(labels, samples=len(rows))
        step = max(1, _BYTES_PER_WRITE // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), step):
            chunk = slice(start, start + step)
            keys = None if label_rows is None else self._labels.encode(label_rows[chunk])
            self._write(self._data.encode(rows[chunk]), keys)

    def _input_config(self) -> dict[str, Any]:
        return {**self._data.to_config(), **self._labels.to_config()}
