"""The guide to training shows what works."""

import ast
import json
import re
from pathlib import Path

from kafkaml.schemas.deployments import DeploymentCreate
from kafkaml.schemas.fit import FitOptions
from kafkaml.schemas.incremental import IncrementalOptions
from kafkaml.schemas.trainings import TrainingProgress, TrainingResult

GUIDE = (Path(__file__).parents[2] / "docs/training.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_every_deployment_that_it_shows_is_accepted() -> None:
    deployments = blocks("json")
    assert len(deployments) > 4
    for block in deployments:
        DeploymentCreate.model_validate(json.loads(block))


def test_every_program_that_it_shows_is_python() -> None:
    for block in blocks("python"):
        ast.parse(block)


def test_it_names_every_option_and_every_part_of_a_result() -> None:
    names = {
        *FitOptions.model_fields,
        *IncrementalOptions.model_fields,
        *TrainingResult.model_fields,
    }
    assert {name for name in names if f"`{name}`" not in GUIDE} == set()
    [shown] = blocks("text")
    TrainingProgress.model_validate(json.loads(f"{{{shown}}}")["progress"])
