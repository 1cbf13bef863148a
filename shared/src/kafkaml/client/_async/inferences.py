"""Inferences: finished trainings that answer a stream."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPMethod
from typing import TYPE_CHECKING, Any, Literal, cast

from kafkaml.client._asking import requests_of
from kafkaml.client._async._runtime import call_blocking
from kafkaml.client._async._session import AsyncSession
from kafkaml.client._async._waiting import wait_until
from kafkaml.client._calls import build, place
from kafkaml.client._dead_letters import Wish, total, wishes
from kafkaml.client._deadlines import Duration
from kafkaml.client._prediction import predict_by_topic
from kafkaml.exceptions import WaitFailedError
from kafkaml.schemas.base import Page
from kafkaml.schemas.dead_letters import (
    DeadLetter,
    DeadLetterLimit,
    DeadLettersSent,
    LetterPlace,
)
from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.engines import EngineChoice
from kafkaml.schemas.inferences import Inference, InferenceCreate, InferenceScale
from kafkaml.schemas.outputs import EarlyExit, Guarantee, OutputConfig, OutputFormat
from kafkaml.schemas.predictions import Prediction, RecordAnswer
from kafkaml.schemas.served_models import Canary, ServedModels, Shadow
from kafkaml.schemas.states import InferenceState
from kafkaml.schemas.statistics import DriftOptions, InferenceStatistics

if TYPE_CHECKING:
    import numpy as np

_DEFAULT_RESOURCES = Resources()
_DEFAULT_OUTPUT = OutputConfig()
_DEFAULT_DRIFT = DriftOptions()
_DEFAULT_LIMIT = DeadLetterLimit()


class AsyncInferences:
    """Trained models served from an input topic to an output topic."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self,
        *,
        training_id: int,
        input_topic: str,
        output_topic: str,
        replicas: int = 1,
        input_format: str | None = None,
        input_config: Mapping[str, Any] | None = None,
        start: Literal["earliest", "latest"] = "earliest",
        guarantee: Literal["at_least_once", "exactly_once"] = "at_least_once",
        output_format: Literal["JSON", "RAW", "AVRO", "LABEL"] = "JSON",
        output_config: OutputConfig | Mapping[str, object] = _DEFAULT_OUTPUT,
        input_cluster: str | None = None,
        output_cluster: str | None = None,
        early_exit: EarlyExit | Mapping[str, object] | None = None,
        engine: Literal["auto", "litert", "saved_model", "keras"] = "auto",
        dead_letter_limit: DeadLetterLimit | Mapping[str, object] | None = _DEFAULT_LIMIT,
        drift: DriftOptions | Mapping[str, object] | None = _DEFAULT_DRIFT,
        resources: Resources | Mapping[str, object] = _DEFAULT_RESOURCES,
    ) -> Inference:
        """Serve a finished training; missing topics are made.

        Format and configuration are those of the stream it was trained on, unless given.
        `start` says where it begins in an input topic that holds records. With
        `exactly_once` readers of the answers need `isolation.level=read_committed`.
        Clusters other than the platform's own are those that its settings name, with
        topics that are there already. With `early_exit` (`limit`, `upper_topic`, `layer`)
        the output of a layer goes on to another topic for records that the model is not
        sure of. The fastest `engine` is taken unless one is named; with more dead letters
        than `dead_letter_limit` the inference pauses. Raise ProblemError `not-finished` if
        the training has no result.
        """
        body = build(
            InferenceCreate,
            training_id=training_id,
            input_topic=input_topic,
            output_topic=output_topic,
            replicas=replicas,
            input_format=input_format,
            input_config=None if input_config is None else dict(input_config),
            start=start,
            guarantee=cast("Guarantee", guarantee),  # checked by the body
            output_format=cast("OutputFormat", output_format),
            output_config=build(OutputConfig.model_validate, output_config),
            input_cluster=input_cluster,
            output_cluster=output_cluster,
            early_exit=(
                build(EarlyExit.model_validate, early_exit) if early_exit else None
            ),
            engine=cast("EngineChoice", engine),
            dead_letter_limit=(
                None
                if dead_letter_limit is None
                else build(DeadLetterLimit.model_validate, dead_letter_limit)
            ),
            drift=None if drift is None else build(DriftOptions.model_validate, drift),
            resources=build(Resources.model_validate, resources),
        )
        return await self._session.create(place("inferences"), body, Inference)

    async def get(self, inference_id: int) -> Inference:
        """Return an inference."""
        return await self._session.get(place("inferences", inference_id), Inference)

    def list(
        self,
        *,
        training_id: int | None = None,
        state: InferenceState | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Inference]:
        """Iterate over inferences, newest first; `limit` is the size of a page."""
        query = {"training_id": training_id, "state": state, "limit": limit}
        return self._session.pages(place("inferences"), Page[Inference], query)

    async def stop(self, inference_id: int) -> Inference:
        """Stop an inference; records that it has not answered stay in its input topic."""
        return await self._session.act(place("inferences", inference_id, "stop"), Inference)

    async def scale(self, inference_id: int, replicas: int) -> Inference:
        """Set how many replicas share the partitions of the input topic."""
        body = build(InferenceScale, replicas=replicas)
        path = place("inferences", inference_id, "scale")
        return await self._session.act(path, Inference, body)

    async def change_models(
        self,
        inference_id: int,
        *,
        primary: int,
        canary: Canary | Mapping[str, object] | None = None,
        shadow: int | None = None,
    ) -> Inference:
        """Let the models of these trainings answer from now on; no record is lost.

        `canary` (`training_id` and `share`) answers a share of the keys. `shadow` predicts
        every record, too, and answers in `<output topic>.shadow`. The replicas go on with
        their models until they have loaded the new ones, see `serving_revisions`.
        """
        body = build(
            ServedModels,
            primary=primary,
            canary=build(Canary.model_validate, canary) if canary else None,
            shadow=Shadow(training_id=shadow) if shadow else None,
        )
        path = place("inferences", inference_id, "models")
        return await self._session.act(path, Inference, body, method=HTTPMethod.PUT)

    async def roll_back(self, inference_id: int) -> Inference:
        """Return to the models before, which those of now become: see `previous_models`."""
        path = place("inferences", inference_id, "rollback")
        return await self._session.act(path, Inference, is_repeatable=False)

    async def resume(self, inference_id: int) -> Inference:
        """Let an inference go on that paused because of its dead letters."""
        path = place("inferences", inference_id, "resume")
        return await self._session.act(path, Inference)

    def dead_letters(
        self,
        inference_id: int,
        *,
        stage: str | None = None,
        reason: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        order: Literal["newest", "oldest"] = "newest",
        limit: int | None = None,
    ) -> AsyncIterator[DeadLetter]:
        """Iterate over records that could not be answered, by their time.

        `reason` is the kind of error; `since` and `until` (exclusive, with time zone) are
        times of records. Long contents are cut: `dead_letter` has the whole. `limit` is the
        size of a page.
        """
        query = {
            "stage": stage,
            "reason": reason,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "order": order,
            "limit": limit,
        }
        path = place("inferences", inference_id, "dead-letters")
        return self._session.pages(path, Page[DeadLetter], query)

    async def dead_letter(
        self, inference_id: int, partition: int, offset: int
    ) -> DeadLetter:
        """Return the dead letter at a place of the dead letter topic."""
        path = place("inferences", inference_id, "dead-letters", partition, offset)
        return await self._session.get(path, DeadLetter)

    async def send_dead_letters(
        self,
        inference_id: int,
        letters: Iterable[DeadLetter | LetterPlace] | None = None,
        *,
        filter: Wish = None,  # noqa: A002  the API's word
        all: bool = False,  # noqa: A002  the API's word
    ) -> DeadLettersSent:
        """Send records to the input topic again: some, those of a filter, or all.

        A filter has the fields `stage`, `reason`, `since` and `until`. A record is sent
        once: the answer counts those that were `already_sent`, and names those that cannot
        be sent under `refused`.
        """
        path = place("inferences", inference_id, "dead-letters", "send")
        answers: list[DeadLettersSent] = []
        for wish in wishes(letters, filter, everything=all):
            answer = await self._session.create(path, wish, DeadLettersSent)
            answers.append(answer)
            while answer.next_cursor is not None:
                rest = wish.model_copy(update={"cursor": answer.next_cursor})
                answer = await self._session.create(path, rest, DeadLettersSent)
                answers.append(answer)
        return total(inference_id, answers)

    async def delete(self, inference_id: int) -> None:
        """Delete an inference that is over; `still-running` is raised if it is not."""
        await self._session.delete(place("inferences", inference_id))

    async def statistics(self, inference_id: int) -> InferenceStatistics:
        """Return what the replicas count: records, lag, latencies, drift."""
        path = place("inferences", inference_id, "statistics")
        return await self._session.get(path, InferenceStatistics)

    async def logs(self, inference_id: int, *, replica: int = 0) -> str:
        """Return what a replica wrote; they are numbered from 0."""
        path = place("inferences", inference_id, "logs")
        return await self._session.get_text(path, {"replica": replica})

    async def wait_serving(
        self,
        inference_id: int,
        timeout: Duration = timedelta(minutes=5),  # noqa: ASYNC109  see wait_until
    ) -> Inference:
        """Wait until a replica answers the input topic; return the inference.

        Raise WaitFailedError if the inference failed or was stopped, and WaitTimeoutError
        if it takes longer than `timeout`.
        """
        inference = await wait_until(
            lambda: self.get(inference_id),
            lambda seen: seen.state is InferenceState.SERVING or seen.state.is_final,
            timeout=timeout,
            goal=f"inference {inference_id} is serving",
        )
        if inference.state is not InferenceState.SERVING:
            reason = f": {inference.failure.message}" if inference.failure else ""
            raise WaitFailedError(
                f"inference {inference_id} is {inference.state}{reason}", resource=inference
            )
        return inference

    async def ask(
        self, inference_id: int, records: "Sequence[Any] | np.ndarray[Any, Any]"
    ) -> Sequence[RecordAnswer]:
        """Ask a replica over HTTP; return an answer to each record, in their order.

        A record is an array in the shape that the model takes, or bytes as the input topic
        would hold them. An answer has `values` (or what else the output format makes of
        them) or an `error`. No Kafka is needed, and nothing is written to a topic. Raise
        ProblemError `no-replica` if none answers for as long as the client tries again.
        """
        answers: list[RecordAnswer] = []
        path = place("inferences", inference_id, "predict")
        for request in requests_of(records):
            prediction = await self._session.act(path, Prediction, request)
            answers.extend(prediction.answers)
        return answers

    async def predict(
        self,
        inference_id: int,
        array: "np.ndarray[Any, Any]",
        *,
        bootstrap_servers: str | None = None,
        timeout: Duration = timedelta(seconds=60),  # noqa: ASYNC109  see wait_until
    ) -> "np.ndarray[Any, Any]":
        """Send records to the input topic, and return their answers in the same order.

        The first axis of `array` counts the records, and of the result too. Kafka is found
        by KAFKA_ML_BOOTSTRAP_SERVERS unless it is named. For many calls open one
        StreamPredictor of `kafkaml.predictor` instead; it also says which errors there
        are, such as PredictionError for a record that the inference refused.
        """
        inference = await self.get(inference_id)
        return await call_blocking(
            predict_by_topic, inference, array, bootstrap_servers, timeout
        )
