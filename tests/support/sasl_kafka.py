"""A broker that asks who its clients are, and shows who it is."""

from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from kafkaml_local.files import make_private_folder, write_private
from kafkaml_local.kafka import Kafka
from kafkaml_local.ports import LOCALHOST, free_port
from tests.support.certificates import Authority

USER = "edge"
PASSWORD = "of-a-broker-that-lives-for-a-test"

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PROTOCOLS = ("SASL_PLAINTEXT", "SASL_SSL", "SSL")


class SaslKafka(Kafka):
    """Has a port for each way to come in, and one for all, as ever.

    SASL_PLAINTEXT takes PLAIN, SASL_SSL takes SCRAM-SHA-512, SSL wants a certificate.
    """

    def __init__(self, *, directory: Path) -> None:
        ports: list[int] = []
        for _ in range(2 + len(_PROTOCOLS)):
            ports.append(free_port(taken=ports))
        super().__init__(directory=directory, port=ports[0], controller_port=ports[1])
        self.authority = Authority()
        self._ports = dict(zip(_PROTOCOLS, ports[2:], strict=True))
        self._keys = directory / "server.pem"
        self._trusted = directory / "trusted.pem"
        make_private_folder(directory)
        certificate, key = self.authority.certificate()
        write_private(self._keys, key + certificate)
        write_private(self._trusted, self.authority.pem)

    def address_of(self, protocol: str) -> str:
        """Return where clients of a security protocol come in."""
        return f"{LOCALHOST}:{self._ports[protocol]}"

    def add_user(self) -> None:
        """Let the user of the tests in by SCRAM; PLAIN knows it from the start."""
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
        admin = AdminClient({"bootstrap.servers": self.address})
        admin.alter_user_scram_credentials([wanted])[USER].result()

    def _configuration(self) -> str:
        listeners = ",".join(f"{each}://{self.address_of(each)}" for each in _PROTOCOLS)
        names = ",".join(f"{each}:{each}" for each in ("PLAINTEXT", *_PROTOCOLS))
        known = f'username="broker" password="-" user_{USER}="{PASSWORD}"'
        added = {
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{names}",
            "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                f"{_PLAIN} required {known};"
            ),
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._keys),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._trusted),
        }
        plain = (
            super()._configuration().replace("\nlisteners=", f"\nlisteners={listeners},", 1)
        )
        return plain + "".join(f"{name}={value}\n" for name, value in added.items())
