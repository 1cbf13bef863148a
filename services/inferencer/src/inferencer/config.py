"""Settings of one replica."""

from typing import Literal

from pydantic import Field

from kafkaml.config import KafkaSettings, LogSettings
from kafkaml.schemas.engines import EngineChoice


class InferencerSettings(KafkaSettings, LogSettings):
    """What a replica needs besides its order, which its client fetches from the API."""

    replica: int = Field(default=0, ge=0)
    batch_records: int = Field(
        default=4096,
        ge=1,
        le=50_000,
        description="records that are answered and not committed yet at most, in batches "
        "of a quarter of them (of 256 at least)",
    )
    batch_bytes: int = Field(
        default=16 * 2**20,
        ge=2**20,
        le=2**30,
        description="bytes of records that are fetched ahead, and so may make one batch",
    )
    batch_seconds: float = Field(
        default=5.0,
        gt=0,
        le=120,
        description="batches become smaller when answering one takes longer",
    )
    delivery_seconds: float = Field(
        default=15.0, gt=0, le=120, description="how long Kafka may take to keep an answer"
    )
    session_seconds: float = Field(
        default=10.0,
        ge=6,
        le=300,
        description="after how long without a sign of life others take over; classic only",
    )
    silence_seconds: float = Field(
        default=300.0,
        ge=6,
        le=3600,
        description="after how long within one batch a replica ends, and others take over",
    )
    transaction_seconds: float = Field(
        default=0.1,
        ge=0,
        le=5,
        description="exactly once: how long a transaction takes batches under full load",
    )
    group_protocol: Literal["consumer", "classic"] = Field(
        default="classic",
        description="`consumer` lets the brokers (Kafka 4.0 or newer) decide about timing",
    )
    engine: EngineChoice = Field(
        default=EngineChoice.AUTO,
        description="what computes the predictions, where the inference leaves it open",
    )
    order_seconds: float = Field(
        default=3.0,
        ge=0.05,
        le=60,
        description="how often to ask which models are to answer",
    )
    intra_op_threads: int = Field(
        default=0, ge=0, description="threads inside one operation; 0: one a core"
    )
    inter_op_threads: int = Field(
        default=0, ge=0, description="TensorFlow operations at a time; 0: one a core"
    )
    probe_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="where probes and predictions by HTTP are answered; null: nowhere",
    )
    probe_host: str = Field(
        default="", description="the one address to answer at; empty: every one"
    )
    advertised_host: str | None = Field(
        default=None,
        min_length=1,
        description="by which name or address the API reaches this; null: it does not",
    )
    predict_auth: Literal["key", "none"] = Field(
        default="key",
        description="who may use /v2: the API alone, by a key, or whoever reaches the port",
    )
