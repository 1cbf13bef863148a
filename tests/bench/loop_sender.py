"""Sends records at a rate: a process of its own, so that it disturbs nobody's timing.

tests/bench/loop_sender.py SERVERS TOPIC RECORDS_PER_SECOND RECORDS

The timestamp of a record is when it was due. So one that is sent late has waited.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from confluent_kafka import Producer
from tests.bench.loop_engines import features

TURN_SECONDS = 0.002


def main(servers: str, topic: str, rate: float, records: int) -> None:
    rows = [row.tobytes() for row in features(records)]
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, "acks": "all"})
    producer.list_topics(topic, timeout=30)
    began, sent = time.time(), 0
    while sent < records:
        due = min(records, int((time.time() - began) * rate))
        for number in range(sent, due):
            at = int((began + number / rate) * 1000)
            producer.produce(topic, rows[number], partition=0, timestamp=at)
        sent = max(sent, due)
        producer.poll(0)
        time.sleep(TURN_SECONDS)
    if producer.flush(60):
        raise TimeoutError("not everything was sent")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
