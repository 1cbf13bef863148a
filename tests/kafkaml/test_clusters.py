import json

import pytest
from pydantic import SecretStr

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import SettingsError
from kafkaml.kafka import cluster_config

EDGE = {
    "bootstrap_servers": "edge:9093",
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "u",
    "sasl_password": "secret",
    "ssl_ca_pem": "-----BEGIN",
}


def settings(text: str | None) -> KafkaSettings:
    return KafkaSettings(kafka_clusters=None if text is None else SecretStr(text))


def test_a_cluster_is_found_by_its_name() -> None:
    config = cluster_config(settings(json.dumps({"edge": EDGE})), "edge")

    assert config == {
        "bootstrap.servers": "edge:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "secret",
        "ssl.ca.pem": "-----BEGIN",
    }


def test_without_a_name_it_is_the_cluster_of_the_platform() -> None:
    config = cluster_config(settings(None), None)

    assert config["bootstrap.servers"] == KafkaSettings().bootstrap_servers


@pytest.mark.parametrize("text", [None, "{}", json.dumps({"other": EDGE})])
def test_an_unknown_name_is_refused(text: str | None) -> None:
    with pytest.raises(SettingsError, match="no cluster 'edge'"):
        cluster_config(settings(text), "edge")


@pytest.mark.parametrize(
    "text",
    [
        "{secret",
        '{"edge": "secret"}',
        json.dumps({"edge": EDGE | {"sasl_pasword": "secret"}}),
    ],
)
def test_a_text_that_cannot_be_used_is_named_but_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="KAFKA_ML_KAFKA_CLUSTERS") as caught:
        cluster_config(settings(text), "edge")

    assert "secret" not in str(caught.value)
