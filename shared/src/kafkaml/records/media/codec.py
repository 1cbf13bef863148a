"""Reads and writes the formats IMAGE and AUDIO."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.formats.audio import AudioFormat
from kafkaml.formats.image import ImageFormat
from kafkaml.records.base import Array, Decoded
from kafkaml.records.batches import null_reason, some_good
from kafkaml.records.media.decoder import Decoder
from kafkaml.records.media.encoding import png_of, wav_of

CHUNK_BYTES = 128 * 2**20


class MediaCodec:
    """Records of one picture or sound each, as uint8 or float32 of one shape.

    The first `decode` starts a process that imports TensorFlow, which takes some seconds;
    `prepare` starts it beforehand. The process ends with this object.
    """

    def __init__(
        self,
        described: ImageFormat | AudioFormat,
        *,
        start: Callable[[ImageFormat | AudioFormat], Decoder] = Decoder,
    ) -> None:
        self.shape = described.shape
        self._described = described
        self._start = start
        self._dtype = np.dtype(described.dtype)
        self._decoder: Decoder | None = None

    def prepare(self) -> Decoder:
        """Start the decoder's process unless it runs, and do not wait for it."""
        if self._decoder is None:
            self._decoder = self._start(self._described)
        return self._decoder

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch, shape `(good, *shape)`.

        Raises CodecUnavailableError if TensorFlow or TensorFlow I/O is not installed.
        """
        part = self._described.part
        arrays, reasons = [np.empty((0, *self.shape), self._dtype)], []
        for chunk in self._chunks(values):
            table, faults = self._decode([value or b"" for value in chunk])
            arrays.append(table[[fault is None for fault in faults]])
            reasons += [
                null_reason(part) if value is None else fault and f"the {part} {fault}"
                for value, fault in zip(chunk, faults, strict=True)
            ]
        return some_good(np.concatenate(arrays), reasons)

    def encode(self, array: Array) -> list[bytes]:
        """Encode each row as a file that loses nothing: PNG, or WAV of floats."""
        rows = np.asarray(array)
        if rows.shape[1:] != self.shape:
            raise FormatError(f"the rows have shape {rows.shape[1:]}, not {self.shape}")
        if isinstance(self._described, ImageFormat):
            if rows.dtype != np.uint8:
                raise FormatError(f"the pixels are {rows.dtype}, not uint8 from 0 to 255")
            return [png_of(row) for row in rows]
        if rows.dtype.kind != "f":
            raise FormatError(f"the samples are {rows.dtype}, not floats from -1 to 1")
        return [wav_of(row, rate=self._described.rate) for row in rows]

    def _decode(self, records: list[bytes]) -> tuple[Array, list[str | None]]:
        decoder = self.prepare()
        try:
            return decoder.decode(records)
        except BaseException:
            decoder.close()
            self._decoder = None  # the next call gets a new one
            raise

    def _chunks(self, values: Sequence[bytes | None]) -> Iterator[Sequence[bytes | None]]:
        """Divide a batch, so that neither files nor arrays of a chunk get too large."""
        row_bytes = math.prod(self.shape) * self._dtype.itemsize
        start = size = 0
        for index, value in enumerate(values):
            size += row_bytes + len(value or b"")
            if size > CHUNK_BYTES and index > start:
                yield values[start:index]
                start, size = index, row_bytes + len(value or b"")
        if start < len(values):
            yield values[start:]
