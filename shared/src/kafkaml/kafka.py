"""Kafka clients, made from the settings in one place."""

import ssl
from typing import Any

from kafkaml.clusters import find_cluster
from kafkaml.config import KafkaSettings


def inference_group(inference_id: int) -> str:
    """Return the consumer group that all replicas of an inference are in."""
    return f"kafkaml-inference-{inference_id}"


def librdkafka_config(settings: KafkaSettings) -> dict[str, Any]:
    """Return what a client of confluent-kafka needs to reach the brokers."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_ssl_ca_location:
        config["ssl.ca.location"] = settings.kafka_ssl_ca_location
    if settings.kafka_sasl_mechanism and settings.kafka_sasl_password:
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_sasl_username
        config["sasl.password"] = settings.kafka_sasl_password.get_secret_value()
    return config


def cluster_config(settings: KafkaSettings, name: str | None) -> dict[str, Any]:
    """Return what a client of confluent-kafka needs to reach a cluster by its name.

    None is the platform's own. Raise SettingsError if the settings do not describe it.
    """
    if name is None:
        return librdkafka_config(settings)
    return find_cluster(settings, name).to_librdkafka()


def aiokafka_config(settings: KafkaSettings) -> dict[str, Any]:
    """Return what a client of aiokafka needs to reach the brokers."""
    config: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        config["ssl_context"] = ssl.create_default_context(
            cafile=settings.kafka_ssl_ca_location
        )
    if settings.kafka_sasl_mechanism and settings.kafka_sasl_password:
        config["sasl_mechanism"] = settings.kafka_sasl_mechanism
        config["sasl_plain_username"] = settings.kafka_sasl_username
        config["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return config
