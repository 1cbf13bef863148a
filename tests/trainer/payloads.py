"""What a model's code may do to the platform, and how each of it has to end."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from kafkaml.schemas.deployments import TrainingParameters
from tests.trainer.fitting import plain_dataset
from tests.trainer.orders import CLASSIFIER
from trainer.config import TrainerSettings
from trainer.deadline import Deadline
from trainer.exceptions import FailedError
from trainer.messages import DATA_DIRECTORY, Build, Train, Trained
from trainer.sandbox.model_process import ModelProcess
from trainer.sandbox.sandbox import Sandbox, child_environment
from trainer.sandbox.standby import Standby

DEADLINE_SECONDS = 2.0
# For what ends by itself; a slow machine may need a while for a fit.
PATIENCE_SECONDS = 150.0
MEMORY_BYTES = 3 * 2**30
# What a slow machine needs beside the deadline: to fork, to build, to kill.
MARGIN_SECONDS = 60.0


@dataclass(frozen=True)
class Payload:
    """A source, the reason that it has to end in, and a part of the text.

    The reason is None if the training has to succeed nevertheless.
    """

    name: str
    source: str
    reason: str | None
    text: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def limits(self) -> "Limits":
        """The time that it gets: that of one who knows which of it is used up."""
        if self.text != LATE:
            return Limits()
        if self.reason == "deadline":
            return Limits(fit=DEADLINE_SECONDS)
        return Limits(build=DEADLINE_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The seconds that a model has to be built and to be fitted."""

    build: float = PATIENCE_SECONDS
    fit: float = PATIENCE_SECONDS

    @property
    def longest(self) -> float:
        return max(self.build, self.fit)


ENDED, LATE, MEMORY = "ended its process", "took longer", "more memory"


def in_fit(statement: str) -> str:
    """Return a model whose loss does something when it is first computed, in the fit."""
    return f"""\
import os, signal, sys, time
import keras

def loss(labels, outputs):
    {statement}
    return keras.losses.sparse_categorical_crossentropy(labels, outputs)

model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
model.compile("adam", loss)
"""


REPORTS = """\
import os, stat
pipes = [n for n in range(3, 30) if os.path.exists(f"/proc/self/fd/{n}")
         and stat.S_ISFIFO(os.fstat(n).st_mode)]
def write(content):
    for each in pipes:
        try:
            os.write(each, content)
        except OSError:
            pass
"""
PROGRESS = b'{"kind": "fit_progressed", "report": {"epoch": 1, "step": 1, "steps": 1}}\n'

PAYLOADS = [
    Payload("B22 empty", "", "model_code", "binds nothing"),
    Payload("B22 only comments", "# nothing\n# at all\n", "model_code", "binds nothing"),
    Payload("B22 syntax error", "import keras\nmodel = (", "model_code", "line 2: SyntaxE"),
    Payload(
        "B22 10 MB", f"x = 1  # {'-' * 51}\n" * 170_000 + "y", "model_code", "NameError"
    ),
    Payload("B22 NUL bytes", "x = 1\0", "model_code", "null bytes"),
    Payload("B22 tabs mixed", "if 1:\n\tx = 1\n        y = 2", "model_code", "TabError"),
    Payload("B23 no model", "import keras\nx = 1", "model_code", "binds nothing"),
    Payload("B23 not a model", "model = 3", "model_code", "is a int"),
    Payload(
        "B23 two models", CLASSIFIER + "model = [model, model]", "model_code", "a list"
    ),
    Payload(
        "B23 not compiled",
        "import keras\nlayers = [keras.Input((2,)), keras.layers.Dense(1)]\n"
        "model = keras.Sequential(layers)",
        "model_code",
        "not compiled",
    ),
    Payload(
        "B23 not built",
        "import keras\nmodel = keras.Sequential([keras.layers.Dense(1)])\n"
        "model.compile('adam', 'mse')",
        "model_code",
        "not built",
    ),
    Payload("B24 endless loop", "while True: pass", "model_code", LATE),
    Payload("B24 endless loop in the fit", in_fit("while True: pass"), "deadline", LATE),
    Payload("B24 sleeps", "import time\ntime.sleep(10**6)", "model_code", LATE),
    Payload("B24 recursion", "def f(): f()\nf()", "model_code", "RecursionError"),
    Payload(
        "B24 recursion in C",
        "import sys\nsys.setrecursionlimit(10**9)\nx = []\n"
        "for _ in range(10**6): x = [x]\nrepr(x)",
        "model_code",
        "SIGSEGV",
    ),
    Payload("B24 100 GB", "x = bytearray(100 * 10**9)", "oom", MEMORY),
    Payload("B24 100 GB in steps", "x = []\nwhile True: x.append(bytearray(10**8))", "oom"),
    Payload("B24 100 GB in the fit", in_fit("bytearray(100 * 10**9)"), "oom", MEMORY),
    Payload(
        "B24 many processes",
        "import os, time\nfor _ in range(7): os.fork()\ntime.sleep(10**6)",
        "model_code",
        LATE,
    ),
    Payload(
        "B24 processes that go away",
        "import os, time\nfor _ in range(20):\n    if not os.fork():\n        os.setsid()\n"
        "        if not os.fork(): time.sleep(10**6)\n        os._exit(0)\n"
        "raise ValueError('done')",
        "model_code",
        "done",
    ),
    Payload(
        "B24 two that report",
        "import os\nos.fork()\n" + CLASSIFIER,
        "model_code",
        "out of order",
    ),
    Payload(
        "B24 100,000 threads",
        "import threading, time\nfor _ in range(10**5):\n"
        "    threading.Thread(target=time.sleep, args=(10**6,), daemon=True).start()",
        "model_code",
        "can't start new thread",
    ),
    Payload("B24 big file", "open('x', 'wb').truncate(2**40)", "model_code", "too large"),
    Payload(
        "B25 exits 0", "import os\nos._exit(0)", "model_code", f"{ENDED} (exit code 0)"
    ),
    Payload("B25 exits 0 in the fit", in_fit("os._exit(0)"), "model_code", "(exit code 0)"),
    Payload("B25 sys.exit", "import sys\nsys.exit()", "model_code", "ends the program"),
    Payload("B25 SystemExit in the fit", in_fit("sys.exit(0)"), "model_code", "SystemExit"),
    Payload("B25 interrupt", "raise KeyboardInterrupt", "model_code", "KeyboardInterrupt"),
    Payload("B25 kills itself", "import os\nos.kill(os.getpid(), 9)", "oom", "was killed"),
    Payload("B25 terminates", "import os\nos.kill(0, 15)", "model_code", "SIGTERM"),
    Payload("B25 stops itself", "import os\nos.kill(os.getpid(), 19)", "model_code", LATE),
    Payload("B25 aborts in the fit", in_fit("os.abort()"), "model_code", "SIGABRT"),
    Payload("B25 crashes", "import ctypes\nctypes.string_at(0)", "model_code", "SIGSEGV"),
    Payload(
        "B27 cuts the connection",
        "import os\nos.closerange(3, 100)\nimport time\ntime.sleep(10**6)",
        "model_code",
        "closed the connection",
    ),
    Payload(
        "B27 mutes the reports",
        "import trainer.child\ntrainer.child.Channel.send = lambda *_: None\n" + CLASSIFIER,
        "model_code",
        LATE,
    ),
    Payload(
        "B27 replaces json",
        "import json, sys\njson.dumps = None\nsys.modules['json'] = None\n" + CLASSIFIER,
        "model_code",
        "not callable",
    ),
    Payload(
        "B27 prints forged reports",
        CLASSIFIER + "print('{\"kind\": \"trained\"}')\nprint('training finished')",
        None,
    ),
    Payload("B27 garbles", REPORTS + "write(b'garbage\\n')", "model_code", "a bad report"),
    Payload(
        "B27 reports for ever",
        f"{REPORTS}import keras\ndef loss(y, p):\n    while True: write({PROGRESS!r})\n"
        + CLASSIFIER.replace('"sparse_categorical_crossentropy"', "loss"),
        "deadline",
        LATE,
    ),
    Payload(
        "B27 a report without an end",
        f"{REPORTS}import time\nwhile True:\n    write(b' ')\n    time.sleep(0.1)",
        "model_code",
        LATE,
    ),
    Payload(
        "B28 prints for ever",
        "while True: print('x' * 1000)",
        "model_code",
        LATE,
    ),
    Payload(
        "B28 binary and escapes",
        CLASSIFIER + "import os\nos.write(2, bytes(range(256)))\n"
        "os.write(1, b'\\x1b[2J\\x1b]0;title\\x07')",
        None,
    ),
]


@dataclass(frozen=True)
class End:
    """How a training ended, and after which time."""

    reason: str | None
    message: str
    seconds: float


def end_of(
    source: str,
    folder: Path,
    standby: Standby | None,
    *,
    limits: Limits = Limits(),
) -> End:
    """Build and train in a folder, as an attempt does."""
    (folder / DATA_DIRECTORY).mkdir(parents=True)
    plain_dataset().save(folder / DATA_DIRECTORY)
    parameters = TrainingParameters(epochs=1, deadline_seconds=10)
    environment = child_environment(os.environ, directory=folder, threads=1, gpus=0)
    build = Build(source=source, seed=1, memory_bytes=MEMORY_BYTES, try_saving=False)
    settings = TrainerSettings(build_timeout_seconds=limits.build)
    begin = time.monotonic()
    try:
        with Sandbox(directory=folder, environment=environment, standby=standby) as sandbox:
            process = ModelProcess(sandbox=sandbox, order=build, settings=settings)
            process.build()
            trained = process.train(
                Train(parameters=parameters),
                deadline=Deadline.after(limits.fit),
                on_progress=lambda _: None,
                on_epoch=lambda _: None,
                on_checkpoint=lambda _: None,
            )
            assert isinstance(trained, Trained)
    except FailedError as e:
        return End(e.reason.value, str(e), time.monotonic() - begin)
    return End(None, "", time.monotonic() - begin)
