#!/usr/bin/env python
"""Kills replicas, moves partitions and restarts the broker while a stream is answered.

    tests/soak/inference_kills.py [INPUTS] [FAULTS] [SEED]

100,000 inputs and 50 faults by default, for each of the two guarantees. At least once: none
unanswered, and no more answered again than a batch for each fault. Exactly once: each has
one committed answer. About 8 s a fault.
"""

import hashlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from confluent_kafka import KafkaException  # noqa: E402
from tests.inferencer.orders import inference_order, order_of, value_of  # noqa: E402
from tests.inferencer.topics import Topics, eventually  # noqa: E402

from inferencer.answers import SOURCE_HEADER  # noqa: E402
from kafkaml.schemas.attempts import InferenceOrder  # noqa: E402
from kafkaml.schemas.outputs import Guarantee  # noqa: E402
from kafkaml.schemas.trainings import Artifact  # noqa: E402
from kafkaml_local.kafka import Kafka  # noqa: E402
from kafkaml_local.ports import free_port  # noqa: E402

BATCH = 50
SECONDS_PER_BATCH = 0.1  # so that a fault meets replicas at work
PARTITIONS = 4
REPLICAS = 2
SESSION_SECONDS = 6
ZOMBIE_SECONDS = 12
FAULTS = ("kill",) * 6 + ("rebalance",) * 2 + ("zombie", "broker")


class Replicas:
    """The processes that answer, and what befalls them."""

    def __init__(self, order: InferenceOrder, kafka: Kafka, folder: Path) -> None:
        self._kafka = kafka
        self._file = folder / f"{order.inference_id}.json"
        self._file.write_text(order_of(order).model_dump_json())
        self._log = (folder / f"{order.inference_id}.log").open("ab")
        self._processes = [self._start() for _ in range(REPLICAS)]

    def suffer(self, fault: str, chance: random.Random) -> None:
        """Let one fault happen, and make good for it."""
        self.revive()
        place = chance.randrange(REPLICAS)
        victim = self._processes[place]
        match fault:
            case "kill":
                victim.kill()
                self._processes[place] = self._start()
            case "rebalance":
                self._processes[place] = self._start()
                victim.terminate()
            case "zombie":
                victim.send_signal(signal.SIGSTOP)
                time.sleep(ZOMBIE_SECONDS)
                victim.send_signal(signal.SIGCONT)
                return
            case "broker":
                self._kafka.process.stop(grace=timedelta(seconds=chance.choice((0, 30))))
                self._kafka.start()
                self._kafka.wait_ready(timedelta(seconds=90))
                return
        victim.wait(timeout=60)

    def revive(self) -> None:
        """Start those again that gave up, as the orchestrator does."""
        for place, process in enumerate(self._processes):
            if process.poll() is not None:
                self._processes[place] = self._start()

    def end(self) -> None:
        """End every process."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=60)
        self._log.close()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.inferencer.lone_replica"]
        return subprocess.Popen(
            [*command, str(self._file), str(SECONDS_PER_BATCH)],
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
            env=os.environ
            | {
                "KAFKA_ML_BOOTSTRAP_SERVERS": self._kafka.address,
                "KAFKA_ML_BATCH_RECORDS": str(BATCH),
                "KAFKA_ML_SESSION_SECONDS": str(SESSION_SECONDS),
            },
        )


def main() -> None:
    """Do it for both guarantees; exit 1 at the first that does not hold."""
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    faults = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else secrets.randbits(32)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        kafka = Kafka(
            directory=folder / "kafka", port=port, controller_port=free_port(taken=[port])
        )
        kafka.start()
        try:
            kafka.wait_ready(timedelta(seconds=90))
            for guarantee in Guarantee:
                _run(kafka, folder, guarantee, inputs, faults, random.Random(seed))
        finally:
            kafka.stop()


def _run(
    kafka: Kafka,
    folder: Path,
    guarantee: Guarantee,
    inputs: int,
    faults: int,
    chance: random.Random,
) -> None:
    topics = Topics(kafka.address)
    order = _order(topics, guarantee)
    replicas = Replicas(order, kafka, folder)
    happened: Counter[str] = Counter()
    sent = 0
    try:
        for number in range(1, faults + 1):
            upto = inputs * number // faults
            topics.send(order.input_topic, map(value_of, range(sent, upto)))
            sent = upto
            time.sleep(chance.uniform(0.2, 2))
            fault = chance.choice(FAULTS)
            happened[fault] += 1
            replicas.suffer(fault, chance)
        eventually(lambda: _is_done(topics, order, inputs, replicas), seconds=600)
    finally:
        replicas.end()
    _report(topics, order, inputs, happened)


def _is_done(
    topics: Topics, order: InferenceOrder, inputs: int, replicas: Replicas
) -> bool:
    replicas.revive()
    return _committed(topics, order) >= inputs


def _committed(topics: Topics, order: InferenceOrder) -> int:
    group = f"kafkaml-inference-{order.inference_id}"
    try:
        return topics.committed(group, order.input_topic)
    except KafkaException:
        return 0  # the broker has only just come back


def _order(topics: Topics, guarantee: Guarantee) -> InferenceOrder:
    empty = Artifact(size_bytes=0, sha256=hashlib.sha256(b"").hexdigest())
    name = secrets.token_hex(4)
    order = inference_order(
        inference_id=secrets.randbits(40) + 1,
        input_topic=f"in-{name}",
        output_topic=f"out-{name}",
    ).model_copy(update={"guarantee": guarantee, "artifact": empty})
    topics.create(order.input_topic, PARTITIONS)
    topics.create(order.output_topic, PARTITIONS)
    topics.create(order.dead_letter_topic)
    return order


def _report(
    topics: Topics, order: InferenceOrder, inputs: int, happened: Counter[str]
) -> None:
    answers = topics.read_committed(order.output_topic, 0, seconds=300)
    sources = Counter(dict(each.headers())[SOURCE_HEADER] for each in answers)
    unanswered, again = inputs - len(sources), len(answers) - len(sources)
    violent = sum(happened.values()) - happened["rebalance"]
    is_once = order.guarantee is Guarantee.EXACTLY_ONCE
    allowed = 0 if is_once else BATCH * violent
    good = not unanswered and again <= allowed
    print(
        f"{order.guarantee}: inputs={inputs} {dict(happened)} unanswered={unanswered} "
        f"answered again={again} (allowed {allowed}) {'PASS' if good else 'FAIL'}",
        flush=True,
    )
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
