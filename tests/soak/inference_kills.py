#!/usr/bin/env python
"""Kills replicas, moves partitions and restarts the broker while a stream is answered.

    tests/soak/inference_kills.py [INPUTS] [KILLS] [SEED] [GUARANTEE]

100,000 inputs and 50 SIGKILLs by default, and between these, by chance, rebalances,
replicas that sleep and restarts of the broker; for each of the two guarantees, or the one
named. Each fault meets replicas that answer. At least once: none unanswered, and no more
answered again than `KAFKA_ML_BATCH_RECORDS` for each replica that a fault befell. Exactly
once: each has one committed answer. About 8 s a kill. The logs of the replicas stay if it
fails.
"""

import hashlib
import os
import random
import secrets
import shutil
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

UNCOMMITTED = 1024  # the bound of what a replica answers and may not have committed
SECONDS_PER_BATCH = 0.4  # of a quarter of them, so that a fault meets replicas at work
PARTITIONS = 4
REPLICAS = 2
SESSION_SECONDS = 6
ZOMBIE_SECONDS = 12
OTHERS = ("rebalance", "rebalance", "zombie", "broker")
OTHERS_PER_KILL = 0.4
STUCK_SECONDS = 180
# Of how many replicas that may leave the uncommitted to be answered again.
BEFALLS = {"kill": 1, "zombie": 1, "broker": REPLICAS, "rebalance": 0}


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
                "KAFKA_ML_BATCH_RECORDS": str(UNCOMMITTED),
                "KAFKA_ML_SESSION_SECONDS": str(SESSION_SECONDS),
            },
        )


def main() -> None:
    """Do it for both guarantees, or one; exit 1 at the first that does not hold."""
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else secrets.randbits(32)
    guarantees = list(map(Guarantee, sys.argv[4:5])) or list(Guarantee)
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="inference-kills-"))
    port = free_port()
    kafka = Kafka(
        directory=folder / "kafka", port=port, controller_port=free_port(taken=[port])
    )
    kafka.start()
    try:
        kafka.wait_ready(timedelta(seconds=90))
        good = all(
            _run(kafka, folder, each, inputs, kills, random.Random(seed))
            for each in guarantees
        )
    finally:
        kafka.stop()
    shutil.rmtree(folder if good else folder / "kafka")
    if not good:
        sys.exit(f"the logs are in {folder}")


def _run(
    kafka: Kafka,
    folder: Path,
    guarantee: Guarantee,
    inputs: int,
    kills: int,
    chance: random.Random,
) -> bool:
    """Return whether the guarantee held."""
    topics = Topics(kafka.address)
    order = _order(topics, guarantee)
    replicas = Replicas(order, kafka, folder)
    happened: Counter[str] = Counter()
    sent = 0
    try:
        for number in range(1, kills + 1):
            upto = inputs * number // kills
            topics.send(order.input_topic, map(value_of, range(sent, upto)))
            sent = upto
            others = [chance.choice(OTHERS)] if chance.random() < OTHERS_PER_KILL else []
            for fault in (*others, "kill"):
                _wait_for_progress(topics, order, sent, replicas)
                time.sleep(chance.uniform(0.2, 2))
                happened[fault] += 1
                replicas.suffer(fault, chance)
        eventually(lambda: _is_done(topics, order, inputs, replicas), seconds=600)
    finally:
        replicas.end()
    return _report(topics, order, inputs, happened)


def _wait_for_progress(
    topics: Topics, order: InferenceOrder, sent: int, replicas: Replicas
) -> None:
    """Return when the replicas answer, or have nothing left to answer."""
    before = _committed(topics, order)
    deadline = time.monotonic() + STUCK_SECONDS
    while True:
        replicas.revive()
        now = _committed(topics, order)
        if now >= sent or now > before > 0:
            return
        before = before or now
        if time.monotonic() > deadline:
            raise AssertionError(f"{order.guarantee}: stuck at {now} of {sent} inputs")
        time.sleep(0.3)


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
) -> bool:
    answers = topics.read_committed(order.output_topic, 0, seconds=300)
    sources = Counter(dict(each.headers())[SOURCE_HEADER] for each in answers)
    unanswered, again = inputs - len(sources), len(answers) - len(sources)
    befallen = sum(BEFALLS[each] * count for each, count in happened.items())
    is_once = order.guarantee is Guarantee.EXACTLY_ONCE
    allowed = 0 if is_once else UNCOMMITTED * befallen
    good = not unanswered and again <= allowed
    print(
        f"{order.guarantee}: inputs={inputs} {dict(happened)} unanswered={unanswered} "
        f"answered again={again} (allowed {allowed}) {'PASS' if good else 'FAIL'}",
        flush=True,
    )
    return good


if __name__ == "__main__":
    main()
