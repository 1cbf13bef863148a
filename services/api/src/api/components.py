"""What the parts of one API process share."""

import asyncio
from dataclasses import dataclass, field

from api.config import ApiSettings
from api.middleware.observer import RequestMetrics
from api.services.checkpoint_sweeper import CheckpointSweeper
from api.services.dead_letter_log import DeadLetterLog
from api.services.event_stream import EventStream
from api.services.files import FileService
from api.services.predictions import PredictionService
from api.storage.artifacts import ArtifactStore
from api.storage.database import Database
from api.storage.unit_of_work import UnitsOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Everything that lives as long as the process; `stopping` is set when it is to end."""

    settings: ApiSettings
    database: Database
    units: UnitsOfWork
    artifacts: ArtifactStore
    files: FileService
    checkpoint_sweeper: CheckpointSweeper
    event_stream: EventStream
    predictions: PredictionService
    dead_letter_log: DeadLetterLog
    metrics: RequestMetrics
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
