"""The sink of the JSON format."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

import orjson

from kafkaml.exceptions import FormatError
from kafkaml.formats import JsonFormat
from kafkaml.records.json import JsonCodec
from kafkaml.sinks.arrays import as_array
from kafkaml.sinks.base import Sink, SinkOptions


class JsonSink(Sink):
    """Sends JSON objects that hold the data and the label, each by the names of its fields.

    A sample is a dictionary with all fields, or a row of numbers for `data_fields` and one
    for `label_fields`. With one field name its value can be an array.

        fields = {"data_fields": ["co2", "noise"], "label_fields": ["busy"]}
        with JsonSink(topic="rooms", deployment_id=1, **fields) as sink:
            sink.send({"co2": 612, "noise": 41.5, "busy": 1})
    """

    input_format: ClassVar[str] = "JSON"

    def __init__(
        self,
        *,
        data_fields: Sequence[str],
        label_fields: Sequence[str],
        **options: Unpack[SinkOptions],
    ) -> None:
        self._fields = {
            "data_fields": list(data_fields),
            "label_fields": list(label_fields),
        }
        self._data = JsonCodec(JsonFormat.from_config(self._fields, "data_fields"))
        self._labels = JsonCodec(JsonFormat.from_config(self._fields, "label_fields"))
        super().__init__(**options)

    def send(self, data: Any, label: Any = None) -> None:
        """Send one sample; raise FormatError if a field is missing or no number."""
        self.send_many([data], None if label is None else [label])

    def send_many(self, data: Any, labels: Any = None) -> None:
        """Send rows of numbers, the rows of a frame, or a list of dictionaries.

        The columns of a frame are found by their names. Labels can be left out where the
        data holds them, too. Raises FormatError, before anything is sent, for a bad sample.
        """
        objects = self._objects(self._data, data)
        if labels is not None:
            label_objects = self._objects(self._labels, labels)
            if len(label_objects) != len(objects):
                raise FormatError(
                    f"there are {len(objects)} samples, but {len(label_objects)} labels"
                )
            objects = [
                {**one, **two} for one, two in zip(objects, label_objects, strict=True)
            ]
        values = [_dumps(each) for each in objects]
        for codec in (self._data, self._labels):
            for bad in codec.decode(values).bad:
                raise FormatError(f"sample {bad.index}: {bad.reason}")
        self._write(values, None)

    def _objects(self, codec: JsonCodec, samples: Any) -> list[dict[str, Any]]:
        if isinstance(samples, Sequence) and any(
            isinstance(each, Mapping) for each in samples
        ):
            return [dict(each) for each in samples]
        if hasattr(samples, "columns"):
            names = [*self._fields["data_fields"], *self._fields["label_fields"]]
            samples = samples[[name for name in names if name in samples.columns]]
            return [dict(each) for each in samples.to_dict(orient="records")]
        return codec.to_objects(as_array(samples))

    def _input_config(self) -> dict[str, Any]:
        return dict(self._fields)


def _dumps(sample: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(sample, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as e:
        raise FormatError(f"a sample cannot be written as JSON: {e}") from e
