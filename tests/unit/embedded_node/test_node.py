"""The node: registration, private files and restarts."""

from bot.cluster.client.kinds import NODE, POD
from bot.embedded.node import Node
from tests.kubernetes.world import World, condition, container_status, eventually, phase

WAIT = "import time\nprint('up', flush=True)\ntime.sleep(60)"


async def test_node_is_registered_and_ready(world: World) -> None:
    node = await world.client.get(NODE, world.node.name)
    assert condition(node, "Ready")["status"] == "True"
    assert {"type": "InternalIP", "address": "127.0.0.1"} in node["status"]["addresses"]
    assert node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] > 0
    assert int(node["status"]["allocatable"]["pods"]) >= 110


async def test_files_of_the_node_are_private(world: World) -> None:
    assert world.node.folder.stat().st_mode & 0o777 == 0o700


async def test_restarted_node_restarts_its_pods(world: World) -> None:
    image = await world.image({"wait.py": WAIT}, ["python", "wait.py"])
    await world.pod("server", image)
    await world.pod("once", image, spec={"restartPolicy": "Never"})
    await world.ready("server")
    await world.ready("once")
    await eventually(lambda: _up(world))
    await world.node.stop()
    try:
        again = Node(world.client, world.node.folder, name=world.node.name)
        async with again:
            server = await world.until(
                POD, "server", lambda pod: container_status(pod).get("restartCount") == 1
            )
            lost = container_status(server)["lastState"]["terminated"]
            assert (lost["exitCode"], lost["reason"]) == (137, "ContainerStatusUnknown")
            once = await world.ended("once")
            assert phase(once) == "Failed"
            assert container_status(once)["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
            assert await world.log("once") == "up\n", "its log is still there"
            for name in ("server", "once"):
                await world.client.delete(POD, name, world.namespace)
                await world.gone(POD, name)
    finally:
        await world.node.start()  # the fixture stops it


async def _up(world: World) -> bool:
    return await world.log("once") == "up\n"
