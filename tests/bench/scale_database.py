"""Puts what a large installation has into its database: rows say it faster than calls."""

import asyncpg

_PARAMETERS = '{"resources": {"cpu": "100m", "memory": "64Mi", "gpu": 0}}'
_MODEL = """
insert into model (name, description, version_number) values ('scale', '', 1);
insert into model_version (model_id, number, state, source)
select id, 1, 'valid', 'model = None' from model;
insert into configuration (name, description) values ('scale', '');
"""
_DEPLOYMENTS = """
insert into deployment (configuration_id, parameters, control_topic)
select id, $2::text::jsonb, 'control' from configuration, generate_series(1, $1)
returning id
"""
_TRAININGS = """
insert into training (deployment_id, model_version_id, state, epochs, result, finished_at)
select deployment, (select id from model_version), $2::text, 10,
       case $2::text when 'finished' then '{"metrics": {"loss": 0.1}}'::jsonb end,
       case $2::text when 'finished' then now() end
from unnest($1::bigint[]) deployment, generate_series(1, $3)
"""
_INFERENCES = """
insert into inference (training_id, state, replicas, input_topic, output_topic,
                       input_format, input_config, start, resources)
select (select max(id) from training where state = 'finished'), 'queued', 1,
       'in-' || n, 'out-' || n, 'RAW', '{}', 'latest', $2::text::jsonb
from generate_series(1, $1) n
"""
_OF_ONE_DEPLOYMENT = 50


class ScaleDatabase:
    """Adds rows to the database of a platform."""

    def __init__(self, *, connection: "asyncpg.Connection") -> None:
        self._connection = connection

    async def add_model(self) -> None:
        """Add the model that everything is about."""
        await self._connection.execute(_MODEL)

    async def add_trainings(self, number: int, state: str) -> None:
        """Add trainings, of one deployment for each 50 of them."""
        many = max(1, number // _OF_ONE_DEPLOYMENT)
        rows = await self._connection.fetch(_DEPLOYMENTS, many, _PARAMETERS)
        deployments = [row["id"] for row in rows]
        each = number // many
        await self._connection.execute(_TRAININGS, deployments, state, each)
        await self._connection.execute("analyze")

    async def add_inferences(self, number: int) -> None:
        """Add inferences of the newest finished training."""
        resources = '{"cpu": "100m", "memory": "64Mi", "gpu": 0}'
        await self._connection.execute(_INFERENCES, number, resources)
        await self._connection.execute("analyze")

    async def delete_active(self) -> None:
        """Delete what is not over, as if nobody had ever wanted it."""
        await self._connection.execute("delete from inference")
        await self._connection.execute("delete from training where state <> 'finished'")
        await self._connection.execute("vacuum analyze")
