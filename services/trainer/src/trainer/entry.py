"""The command of the image: `kafkaml-trainer`."""

from kafkaml.entry import run


def main() -> None:
    run("trainer.main")
