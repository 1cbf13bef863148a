"""The command of the image: `kafkaml-inferencer`."""

from kafkaml.entry import run


def main() -> None:
    run("inferencer.main")
