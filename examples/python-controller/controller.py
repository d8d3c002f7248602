"""For each Greeting, a ConfigMap that greets: the hello controller, in Python."""

import json

from wit_world.imports import status
from wit_world.imports.context import Request
from wit_world.imports.joch_controller_types import Outcome, Outcome_Done
from wit_world.imports.joch_kube_types import Gvk, ObjectRef
from wit_world.imports.writer import Change

from joch import Failure, about, answering

HELLO = {"de": "Hallo", "fr": "Bonjour"}


class Reconciler:
    """What the world `controller` exports; the name is that of the WIT interface."""

    @answering
    def reconcile(self, req: Request) -> Outcome:
        greeting = req.target()
        spec = json.loads(req.object())["spec"]
        if not spec["name"].strip():
            reason, message = "BlankName", "spec.name is blank: there is nobody to greet"
            report("Invalid", reason, message)
            raise Failure(reason, message, permanent=True)

        config_map = f"{greeting.name}-greeting"
        with about(f"ConfigMap {config_map}"):
            apply(config_map, greeting.namespace, {"text": greet(spec)})
        report("Ready", "Greeted", "the ConfigMap has the greeting", configMapName=config_map)
        return Outcome_Done()


def greet(spec: dict) -> str:
    """What the ConfigMap says."""
    return f"{HELLO.get(spec.get('language'), 'Hello')}, {spec['name']}!"


def apply(name: str, namespace: str | None, data: dict) -> None:
    """Makes the ConfigMap what it should be, owned by the object being reconciled."""
    with Change(ObjectRef(Gvk("", "v1", "ConfigMap"), namespace, name, None)) as change:
        change.owned()
        change.force()
        change.apply(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": name, "namespace": namespace},
                    "data": data,
                }
            )
        )


def report(phase: str, reason: str, message: str, **fields: str) -> None:
    """Reports the status; the host adds times and generation, and writes only what differs."""
    ready = "True" if phase == "Ready" else "False"
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": message}
    with about("the status"):
        status.report(json.dumps({"phase": phase, "conditions": [condition], **fields}), None)
