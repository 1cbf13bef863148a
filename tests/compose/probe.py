"""A model that looks for whatever it should not reach, and is one if it finds nothing."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import keras

# Addresses that must not answer, and one that must; the test fills them in.
REFUSED: list[tuple[str, int]] = []
REACHED: tuple[str, int] = ("", 0)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


def _environments() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield path.read_text()
        except OSError:
            continue


def _writable(path: str) -> bool:
    try:
        Path(path, "probe").write_text("x")
    except OSError:
        return False
    return True


found = [f"{host}:{port} answers" for host, port in REFUSED if _answers(host, port)]
found += [name for name in os.environ if name.startswith("KAFKA_ML_")]
found += ["an environment with settings" for text in _environments() if "KAFKA_ML_" in text]
found += [f"{path} can be written" for path in ("/app", "/etc", "/usr") if _writable(path)]
if os.getuid() == 0:
    found.append("it is root")
if Path("/var/run/docker.sock").exists():
    found.append("it has Docker's socket")
if not _answers(*REACHED):
    found.append("the probe itself does not work")
if found:
    raise RuntimeError("; ".join(found))

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
