"""The child process: builds, trains and saves a model at the trainer's command.

It knows neither Kafka nor the API. Commands come by standard input, reports go by the file
descriptor that it is given; standard output is for what a model prints.
"""

import os
import sys
from io import BufferedReader
from queue import SimpleQueue
from threading import Lock, Thread
from typing import NoReturn

from trainer.messages import (
    COMMANDS,
    Build,
    Command,
    Export,
    Message,
    Ready,
    Train,
    TrainStream,
)
from trainer.sandbox.protection import limit_process


class Channel:
    """The child's end of the two pipes."""

    def __init__(self, *, commands: BufferedReader, reports: int) -> None:
        self._reports = reports
        self._sending = Lock()
        self._queue: SimpleQueue[Command] = SimpleQueue()
        Thread(target=self._receive, args=(commands,), daemon=True).start()

    def next(self) -> Command:
        """Return the next command; wait for it as long as the trainer lives."""
        return self._queue.get()

    def send(self, message: Message) -> None:
        line = message.to_line()
        with self._sending:
            while line:
                line = line[os.write(self._reports, line) :]

    def _receive(self, commands: BufferedReader) -> NoReturn:
        """Queue commands; end the process with the trainer, whatever else it does."""
        for line in commands:
            self._queue.put(COMMANDS.validate_json(line))
        os._exit(1)


def open_channel(reports: int) -> Channel:
    """Take the pipes, so that a model's code finds neither in its standard streams."""
    os.set_inheritable(reports, False)
    commands = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return Channel(commands=commands, reports=reports)


def serve(channel: Channel) -> None:
    """Build a model and, when told so, train it; report a failure instead of raising it.

    Or export a trained one: then nothing else, for no code of a model may run there.
    """
    build = channel.next()
    if isinstance(build, Export):
        _export(build, channel)
        return
    if not isinstance(build, Build):
        raise TypeError("the first command must be to build")
    limit_process(memory_bytes=build.memory_bytes)

    from trainer.fit.training import train_model
    from trainer.incremental.training import StreamTraining
    from trainer.models.failures import failure_of
    from trainer.models.inspection import inspect_model
    from trainer.models.source import build_model

    channel.send(Ready())
    try:
        model = build_model(
            build.source, seed=build.seed, mixed_precision=build.mixed_precision
        )
        channel.send(inspect_model(model, try_saving=build.try_saving))
        train = channel.next()
        if isinstance(train, Train):
            trained = train_model(
                model,
                train.parameters,
                send=channel.send,
                data_memory_bytes=train.data_memory_bytes,
                checkpointing=train.checkpointing,
            )
            channel.send(trained)
        elif isinstance(train, TrainStream):
            training = StreamTraining(model, train, send=channel.send)
            channel.send(training.train(channel.next))
    except BaseException as e:  # noqa: BLE001  # a model's code may raise anything
        channel.send(failure_of(e))


def _export(order: Export, channel: Channel) -> None:
    limit_process(memory_bytes=order.memory_bytes)
    from trainer.exports.process import export_model

    channel.send(Ready())
    export_model(order, send=channel.send)


def run_child(reports: int) -> NoReturn:
    """Do what the commands at standard input say; send reports to an open file."""
    serve(open_channel(reports))
    sys.stdout.flush()
    os._exit(0)  # threads that a model's code has left behind are not waited for
