"""A stand-in for OpenTofu in stories: it keeps its state as the `kubernetes` backend does.

A module is lines of `NAME = VALUE` in main.tf. Each is a resource and a sensitive output of that name.
"""

import base64
import gzip
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path


def main() -> None:
    command, *options = [word for word in sys.argv[1:] if word not in ("-no-color", "-input=false")]
    if command == "plan":
        out = next(word.removeprefix("-out=") for word in options if word.startswith("-out="))
        Path(out).write_text(json.dumps({"serial": read()["serial"], "resources": module()}))
    elif command == "show":
        print(json.dumps(shown(json.loads(Path(options[-1]).read_text())["resources"])))
    elif command == "apply" and Path("save.tf.json").exists():
        write(saved_outputs(), [])
    elif command == "apply":
        planned = json.loads(Path(options[-1]).read_text())
        if planned["serial"] != read()["serial"]:
            sys.exit("Error: Saved plan is stale")
        store(planned["resources"])
    elif command == "destroy":
        store({})


def module():
    lines = (line.partition("=") for line in Path("main.tf").read_text().splitlines())
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


def shown(after):
    """What `show -json` prints."""
    before = {name: output["value"] for name, output in read()["outputs"].items()}
    changes = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        action = "create" if old is None else "delete" if new is None else "update"
        change = {"actions": ["no-op" if old == new else action], "before": old, "after": new}
        changes.append({"address": f"stand_in.{name}", "mode": "managed", "change": change})
    return {"resource_changes": changes}


def store(resources):
    outputs = {name: {"value": value, "sensitive": True} for name, value in resources.items()}
    instances = [
        {"mode": "managed", "type": "stand_in", "name": name, "instances": [{}]} for name in resources
    ]
    write(outputs, instances)


def saved_outputs():
    lock = Path("../module/.terraform.lock.hcl")
    values = {
        "plan": base64.b64encode(Path("../plan").read_bytes()).decode(),
        "json": Path("../plan.json").read_text(),
        "lock": lock.read_text() if lock.exists() else "",
    }
    return {name: {"value": value, "sensitive": True} for name, value in values.items()}


def backend():
    """URL of the namespace's Secrets, and the name of the one with the state."""
    for name in ("save.tf.json", "greenroom_override.tf.json"):
        if Path(name).exists():
            settings = json.loads(Path(name).read_text())["terraform"]["backend"]["kubernetes"]
            base = f"{os.environ['KUBE_HOST']}/api/v1/namespaces/{settings['namespace']}/secrets"
            return base, f"tfstate-default-{settings['secret_suffix']}"
    sys.exit("Error: there is no backend")


def read():
    url, name = backend()
    try:
        secret = call("GET", f"{url}/{name}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return {"version": 4, "serial": 0, "outputs": {}, "resources": []}
    return json.loads(gzip.decompress(base64.b64decode(secret["data"]["tfstate"])))


def write(outputs, resources):
    url, name = backend()
    before = read()
    state = {"version": 4, "serial": before["serial"] + 1, "outputs": outputs, "resources": resources}
    data = {"tfstate": base64.b64encode(gzip.compress(json.dumps(state).encode())).decode()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    if before["serial"]:
        call("PUT", f"{url}/{name}", body)
    else:
        call("POST", url, body)


def call(method, url, body=None):
    request = urllib.request.Request(url, method=method)
    request.add_header("Authorization", f"Bearer {os.environ['KUBE_TOKEN']}")
    data = json.dumps(body).encode() if body is not None else None
    if data is not None:
        request.add_header("Content-Type", "application/json")
    authority = os.environ.get("KUBE_CLUSTER_CA_CERT_DATA")
    context = ssl.create_default_context(cadata=authority) if authority else None
    with urllib.request.urlopen(request, data, 30, context=context) as response:
        return json.load(response)


if __name__ == "__main__":
    main()
