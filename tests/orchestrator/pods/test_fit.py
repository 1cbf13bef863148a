import pytest

from orchestrator.pods.fit import explain_misfit

from .documents import Document, node, pod

GPU_NODE = node(
    name="gpu",
    allocatable={"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"},
    labels={"accelerator": "h200"},
    taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
)
CONTROL_PLANE = node(
    allocatable={"cpu": "64", "memory": "256Gi"},
    taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
)
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def wish(
    *,
    selector: Document | None = None,
    tolerations: list[Document] | None = None,
    **requests: str,
) -> Document:
    named = {name.replace("_", "-"): value for name, value in requests.items()}
    spec = {"nodeSelector": selector, "tolerations": tolerations}
    return pod(requests=named, spec=spec)


def gpus(number: str, **rest: list[Document]) -> Document:
    return pod(requests={"nvidia.com/gpu": number}, spec=rest)


@pytest.mark.parametrize(
    "fitting",
    [
        wish(cpu="4", memory="16Gi"),
        wish(cpu="4000m", memory="17179869184"),
        wish(cpu="0"),
        gpus("2", tolerations=[TOLERATION]),
        gpus("1", tolerations=[{"operator": "Exists"}]),
        gpus("1", tolerations=[{"key": "nvidia.com/gpu", "effect": ""}]),
        wish(cpu="8", selector={"accelerator": "h200"}, tolerations=[TOLERATION]),
    ],
)
def test_what_fits_on_an_empty_node_may_get_room_later(fitting: Document) -> None:
    assert explain_misfit(fitting, [node(), GPU_NODE, CONTROL_PLANE]) is None


@pytest.mark.parametrize(
    ("misfit", "explanation"),
    [
        (
            wish(cpu="4001m"),
            (
                "It asks for 4.001 CPU cores, and the largest node has 4 CPU cores. "
                "Lower resources.cpu, or add a larger node."
            ),
        ),
        (
            wish(memory="20Gi", cpu="9"),
            (
                "It asks for 20 GiB of memory, and the largest node has 16 GiB of memory. "
                "Lower resources.memory, or add a larger node. "
                "It asks for 9 CPU cores, and the largest node has 4 CPU cores. "
                "Lower resources.cpu, or add a larger node."
            ),
        ),
        (
            wish(ephemeral_storage="10Gi"),
            "It asks for 10 GiB of disk, and no node has any.",
        ),
        (
            gpus("3", tolerations=[TOLERATION]),
            "It asks for 3 nvidia.com/gpu, and the largest node has 2 nvidia.com/gpu.",
        ),
        (
            wish(selector={"disk": "fast", "accelerator": "h200"}),
            "No node has the labels accelerator=h200, disk=fast that it must run on.",
        ),
        (
            wish(selector={"accelerator": "h200"}),
            "The nodes that it may run on are reserved by the taints nvidia.com/gpu.",
        ),
    ],
)
def test_what_no_node_has_is_named(misfit: Document, explanation: str) -> None:
    assert explain_misfit(misfit, [node(), GPU_NODE, CONTROL_PLANE]) == explanation


def test_it_takes_one_node_that_has_all() -> None:
    nodes = [
        node(allocatable={"cpu": "1", "memory": "64Gi"}),
        node(allocatable={"cpu": "8", "memory": "4Gi"}),
    ]
    explanation = explain_misfit(wish(cpu="4", memory="8Gi"), nodes)
    assert explanation == "No single node has all of 4 CPU cores, 8 GiB of memory."


def test_containers_that_were_injected_and_the_overhead_count() -> None:
    crowded = wish(cpu="3")
    crowded["spec"]["containers"].append({"resources": {"requests": {"cpu": "500m"}}})
    crowded["spec"]["overhead"] = {"cpu": "250m"}
    assert explain_misfit(crowded, [node()]) is None
    sidecar = {"restartPolicy": "Always", "resources": {"requests": {"cpu": "300m"}}}
    crowded["spec"]["initContainers"] = [sidecar]
    assert "4.05 CPU cores" in (explain_misfit(crowded, [node()]) or "")


def test_an_unhealthy_node_may_become_healthy() -> None:
    taint = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}
    assert explain_misfit(wish(cpu="1"), [node(taints=[taint])]) is None


def test_a_taint_that_only_asks_politely_keeps_nothing_away() -> None:
    taint = {"key": "spot", "value": "true", "effect": "PreferNoSchedule"}
    assert explain_misfit(wish(cpu="1"), [node(taints=[taint])]) is None


def test_a_taint_is_tolerated_by_its_value() -> None:
    nodes = [node(taints=[{"key": "team", "value": "a", "effect": "NoExecute"}])]
    assert explain_misfit(wish(tolerations=[{"key": "team", "value": "a"}]), nodes) is None
    assert explain_misfit(wish(tolerations=[{"key": "team", "value": "b"}]), nodes)


def test_without_nodes_it_waits_for_the_first() -> None:
    assert explain_misfit(wish(cpu="1"), []) is None
