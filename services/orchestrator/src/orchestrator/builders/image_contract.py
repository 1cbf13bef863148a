"""What the images of trainers and inferencers are given by whoever runs them."""

import math

from kafkaml.schemas.deployments import cpu_cores
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.config import ImageSettings

IMAGE_USER = 10001
PROBE_PORT = 8080
ADVERTISED_HOST_VARIABLE = "KAFKA_ML_ADVERTISED_HOST"
TEMPORARY_DIRECTORY = "/tmp"  # noqa: S108 - the container's own

# All that libraries write beside the data has to be in the one folder that can be written.
HOMES = {
    "HOME": TEMPORARY_DIRECTORY,
    "TMPDIR": TEMPORARY_DIRECTORY,
    "KERAS_HOME": f"{TEMPORARY_DIRECTORY}/keras",
    "MPLCONFIGDIR": f"{TEMPORARY_DIRECTORY}/matplotlib",
    "XDG_CACHE_HOME": f"{TEMPORARY_DIRECTORY}/cache",
}


def image_of(settings: ImageSettings, workload: Workload) -> str:
    """Return the image that a workload runs."""
    if workload.kind is WorkloadKind.INFERENCE:
        return settings.inferencer_image
    if workload.resources.gpu > 0 and settings.trainer_gpu_image:
        return settings.trainer_gpu_image
    return settings.trainer_image


def variables_of(workload: Workload, *, temporary_bytes: int) -> dict[str, str]:
    """Return the variables that follow from running in a container.

    `temporary_bytes` is what a training may write before the container is ended for it.
    """
    if workload.kind is WorkloadKind.INFERENCE:
        return HOMES | _inferencer_variables(workload)
    place = {"KAFKA_ML_WORK_DIRECTORY": TEMPORARY_DIRECTORY}
    if workload.kind is WorkloadKind.TRAINING:
        place["KAFKA_ML_TEMPORARY_BYTES"] = str(temporary_bytes)
    return HOMES | place


def _inferencer_variables(workload: Workload) -> dict[str, str]:
    # TensorFlow counts the cores of the machine, not those that the container may use.
    threads = str(math.ceil(cpu_cores(workload.resources.cpu)))
    return {
        "KAFKA_ML_PROBE_PORT": str(PROBE_PORT),
        "KAFKA_ML_INTRA_OP_THREADS": threads,
        "KAFKA_ML_INTER_OP_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }
