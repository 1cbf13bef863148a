"""A broker that asks who its clients are."""

from kafkaml_local.kafka import Kafka
from kafkaml_local.ports import LOCALHOST

USER = "edge"
PASSWORD = "of-a-broker-that-lives-for-a-test"

_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_LISTENER = "listener.name.sasl_plaintext"


class SaslKafka(Kafka):
    """Listens for SASL/PLAIN on a port of its own, and on the other as ever."""

    sasl_port = 0

    @property
    def sasl_address(self) -> str:
        return f"{LOCALHOST}:{self.sasl_port}"

    def _configuration(self) -> str:
        listeners = f"listeners=SASL_PLAINTEXT://{self.sasl_address},"
        protocols = ("PLAINTEXT", "SASL_PLAINTEXT")
        names = ",".join(f"{each}:{each}" for each in protocols)
        login = f'{_LOGIN} required user_{USER}="{PASSWORD}";'
        added = (
            f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,{names}",
            f"{_LISTENER}.sasl.enabled.mechanisms=PLAIN",
            f"{_LISTENER}.plain.sasl.jaas.config={login}",
        )
        plain = super()._configuration().replace("\nlisteners=", f"\n{listeners}", 1)
        return plain + "".join(f"{line}\n" for line in added)
