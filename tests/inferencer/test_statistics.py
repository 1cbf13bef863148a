"""What a replica counts, on a real broker."""

import hashlib
from pathlib import Path
from zipfile import ZipFile

from inferencer.drift import DriftWatch
from inferencer.profile_watch import ProfileWatch, feature_names
from inferencer.report import Reporter
from inferencer.statistics_report import StatisticsReporter
from inferencer.testing import MemoryAttempts
from kafkaml.profiles import PROFILE_MEMBER
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.statistics import DriftOptions

from .orders import inference_order, order_of, value_of
from .replicas import POISON, running_replica
from .test_drift import profile, records
from .topics import Topics, eventually


def test_a_replica_tells_what_it_did(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    topics.send(order.input_topic, map(value_of, range(500)))
    topics.send(order.input_topic, [b"poison", value_of(POISON)])

    with running_replica(kafka_bootstrap, order) as running:
        reporter = StatisticsReporter(
            reporter=Reporter(attempts=running.attempts, replica=3, stop=running.stop),
            metrics=running.replica.metrics,
            drift=running.replica.drift,
            model=running.replica.model,
            replica=3,
        )
        topics.read(order.output_topic, 500)
        topics.read(order.dead_letter_topic, 2)
        eventually(lambda: sum(reporter.report().dead_letters.values()) == 2)
        eventually(lambda: len(reporter.report().lags) == 4)
        with reporter.running():
            eventually(lambda: bool(running.attempts.statistics_reports))
        [told, *_] = running.attempts.statistics_reports

    assert (told.replica, told.answers) == (3, 500)
    assert told.dead_letters == {"decode": 1, "predict": 1, "deliver": 0}
    assert not sum(told.errors.values())
    assert not sum(each.records for each in told.lags)
    assert sum(running.replica.metrics.latencies.counts) >= 500
    spent = running.replica.metrics.stage_seconds
    assert min(spent[each] for each in ("decode", "predict", "encode", "deliver")) > 0


def test_what_is_not_taken_yet_is_the_lag(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    topics.send(order.input_topic, map(value_of, range(400)))

    with running_replica(
        kafka_bootstrap, order, seconds_per_record=0.02, batch_records=10
    ) as running:
        eventually(lambda: sum(running.replica.metrics.lags.values()) > 100)
        running.engine.seconds_per_record = 0.0
        topics.read(order.output_topic, 400)
        eventually(lambda: not sum(running.replica.metrics.lags.values()))


def test_the_profile_of_the_training_comes_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with ZipFile(path, "w") as archive:
        archive.writestr(PROFILE_MEMBER, profile(records(500, seed=1)).model_dump_json())
    content = path.read_bytes()
    order = inference_order(sha256=hashlib.sha256(content).hexdigest()).model_copy(
        update={"drift": DriftOptions(window_records=100)}
    )
    source = MemoryAttempts(order=order_of(order), artifact=content)
    drift = DriftWatch(share=1e6)

    ProfileWatch(source=source, drift=drift).heed(order)

    rows = records(200, seed=2, shift=9.0)

    def is_seen() -> bool:
        drift.observe(rows, rows)
        return drift.newest is not None

    eventually(is_seen)
    assert drift.newest is not None
    assert drift.newest.level > 1


def test_without_a_profile_or_the_wish_nothing_is_compared() -> None:
    order = inference_order()
    drift = DriftWatch(share=1e6)
    ProfileWatch(source=MemoryAttempts(order=order_of(order)), drift=drift).heed(order)
    rows = records(5000, seed=2)
    drift.observe(rows, rows)
    assert drift.newest is None


def test_features_have_the_names_of_fields() -> None:
    order = inference_order(
        input_format="JSON", input_config={"data_fields": ["a", "b", "c", "d"]}
    )
    assert feature_names(order) == ("a", "b", "c", "d")
    assert feature_names(inference_order()) == ()
