"""Reads ranges as the original does: `KafkaDataset`, and a decoder for each record."""

import json
import sys
import time

import tensorflow as tf
from tensorflow_io import kafka


def main(servers: str, size: str, ranges: str) -> None:
    """Print the seconds that it took, and the sum of all values, as JSON."""

    def decode(value: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = tf.reshape(tf.io.decode_raw(value, tf.uint8), (int(size),))
        return features, tf.reshape(tf.io.decode_raw(key, tf.uint8), ())

    started = time.perf_counter()
    dataset = kafka.KafkaDataset(
        ranges.split(","), servers=servers, group="bench", eof=True, message_key=True
    )
    count = sum(
        int(each.split(":")[3]) - int(each.split(":")[2]) for each in ranges.split(",")
    )
    total = 0
    for features, _ in dataset.map(decode).take(count).batch(128):
        total += int(tf.reduce_sum(tf.cast(features, tf.int64)))
    print(json.dumps({"seconds": time.perf_counter() - started, "total": total}))


if __name__ == "__main__":
    main(*sys.argv[1:])
