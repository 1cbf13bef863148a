"""A model that is trained on updates, in this process: what it learns, keeps and tells."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.incremental import IncrementalOptions
from trainer.exceptions import DivergedError, ModelCodeError
from trainer.messages import (
    CHECKPOINT_FILE,
    DATA_DIRECTORY,
    IMPROVED_FILE,
    RESUME_FILE,
    Checkpointing,
    CheckpointWritten,
    Command,
    EndStream,
    EpochDone,
    Improved,
    Message,
    StreamStarted,
    StreamTrained,
    TrainStream,
    Update,
    update_files,
)

CENTRES = np.array([[4, 0], [-4, 0], [0, 4]], np.float32)
SIZE = 64

Rows = tuple[NDArray[Any], NDArray[Any]]


def rows(number: int, *, only: Sequence[int] = (0, 1, 2), turned: int = 0) -> Rows:
    """Return an update of points around centres; `turned` renames the classes."""
    generator = np.random.default_rng(number)
    places = generator.choice(np.array(only), SIZE)
    features = CENTRES[places] + generator.normal(0, 0.3, (SIZE, 2))
    return features.astype(np.float32), ((places + turned) % 3).astype(np.uint8)


class Updates:
    """Commands for a training in the present folder, and what it reports."""

    def __init__(self, folder: Path, updates: Sequence[Rows], *, first: int = 1) -> None:
        self._folder = folder / DATA_DIRECTORY
        self._folder.mkdir(exist_ok=True)
        self._commands = self._all(updates, first)
        self.sent: list[Message] = []

    def next(self) -> Command:
        return next(self._commands)

    def send(self, message: Message) -> None:
        self.sent.append(message)
        if isinstance(message, Improved):
            Path(IMPROVED_FILE).unlink()  # as the trainer does when it is uploaded

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.sent if isinstance(each, kind)]

    def _all(self, updates: Sequence[Rows], first: int) -> Iterator[Command]:
        for number, update in enumerate(updates, start=first):
            for name, array in zip(update_files(number), update, strict=True):
                np.save(self._folder / name, array)
            yield Update(number=number, starts={0: 0}, positions={0: number * SIZE})
        yield EndStream()


def network(seed: int = 1) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def train(
    model: Any,
    updates: Updates,
    *,
    checkpointing: Checkpointing | None = None,
    **options: Any,
) -> StreamTrained:
    from trainer.incremental.training import StreamTraining

    wanted = {"epoch_updates": 4, "publish_seconds": 0, "validation_records": 64} | options
    order = TrainStream(
        parameters=TrainingParameters(batch_size=16),
        options=IncrementalOptions.model_validate(wanted),
        validation_rate=0.125,
        checkpointing=checkpointing,
    )
    return StreamTraining(model, order, send=updates.send).train(updates.next)


def accuracy(model: Any, update: Rows) -> float:
    return float((np.argmax(np.asarray(model(update[0])), axis=1) == update[1]).mean())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_follows_a_stream_that_changes_its_meaning(folder: Path) -> None:
    model = network()
    before, after = [rows(n) for n in range(16)], [rows(n, turned=1) for n in range(32)]
    updates = Updates(folder, [*before, *after])
    done = train(model, updates, replay_records=256)
    curve = [each.report.values["val_accuracy"] for each in updates.of(EpochDone)]
    assert len(curve) == 12
    assert curve[3] > 0.95
    assert curve[4] < 0.7  # right after the change
    assert curve[-1] > 0.95
    published = [each.epoch for each in updates.of(Improved)]
    assert published[0] == 1
    assert max(published) > 4  # better than the old one on what comes now
    assert done.improvements == len(published)
    assert accuracy(model, rows(99, turned=1)) > 0.95
    assert (done.updates, done.records, done.held_back) == (48, 48 * SIZE, 48 * 8)


def test_earlier_records_that_are_kept_prevent_forgetting(folder: Path) -> None:
    phases = [rows(n) for n in range(8)] + [rows(n, only=[2]) for n in range(8, 40)]
    whole = rows(99)

    def remembered(replay_records: int) -> float:
        from trainer.checkpoints.fit_state import assign, values_of

        model, seen = network(), []
        updates = Updates(folder, phases)

        def send(message: Message) -> None:  # the last weights, not the best
            if isinstance(message, EpochDone):
                seen.append(values_of(model.variables))

        updates.send = send  # type: ignore[method-assign]
        train(model, updates, replay_records=replay_records, publish_seconds=1000)
        Path(IMPROVED_FILE).unlink(missing_ok=True)
        assign(model.variables, seen[-1])
        return accuracy(model, whole)

    assert remembered(512) > remembered(0) + 0.15


def test_a_training_goes_on_from_a_checkpoint_as_if_nothing_had_happened(
    folder: Path,
) -> None:
    wanted = Checkpointing(identity="a", attempt=1, seconds=0)
    everything = [rows(n) for n in range(18)]

    whole = network()
    train(whole, Updates(folder, everything))
    first = Updates(folder, everything[:10])
    kept: list[bytes] = []

    def send(message: Message) -> None:
        if isinstance(message, CheckpointWritten):
            kept.append(Path(CHECKPOINT_FILE).read_bytes())
            Path(CHECKPOINT_FILE).unlink()
        Updates.send(first, message)

    first.send = send  # type: ignore[method-assign]
    train(network(), first, checkpointing=wanted)
    Path(CHECKPOINT_FILE).unlink(missing_ok=True)
    Path(RESUME_FILE).write_bytes(kept[-1])
    resumed = network(seed=2)
    probe = Updates(folder, [])
    again = wanted.model_copy(update={"is_resumed": True, "seconds": 1000})
    train(resumed, probe, checkpointing=again)
    [started] = probe.of(StreamStarted)
    assert started.positions == {0: started.updates * SIZE}
    assert 0 < started.updates <= 10

    Path(RESUME_FILE).write_bytes(kept[-1])
    resumed = network(seed=2)
    rest = Updates(folder, everything[started.updates :], first=started.updates + 1)
    done = train(resumed, rest, checkpointing=again)
    assert (done.updates, done.records) == (18, 18 * SIZE)
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_loss_that_is_no_number_ends_it(folder: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    features, labels = rows(1)
    updates = Updates(folder, [rows(0), (features * np.float32("nan"), labels)])
    with pytest.raises(DivergedError, match="after update 2"):
        train(model, updates)


def test_a_metric_that_the_model_does_not_report_is_named(folder: Path) -> None:
    updates = Updates(folder, [rows(n) for n in range(4)])
    with pytest.raises(ModelCodeError, match=r"val_f1.*val_accuracy, val_loss"):
        train(network(), updates, monitor="val_f1")
