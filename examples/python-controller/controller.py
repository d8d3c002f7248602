"""For each Greeting, a ConfigMap that greets: the hello controller, in Python."""

import json

from wit_world.imports.context import Request
from wit_world.imports.joch_controller_types import Outcome, Outcome_Done

from joch import Failure, answering, apply, report

HELLO = {"de": "Hallo", "fr": "Bonjour"}


class Reconciler:
    """What the world `controller` exports; the name is that of the WIT interface."""

    @answering
    def reconcile(self, req: Request) -> Outcome:
        greeting = req.target()
        spec = json.loads(req.object())["spec"]
        if not spec["name"].strip():
            reason, message = "BlankName", "spec.name is blank: there is nobody to greet"
            report({"phase": "Invalid", "conditions": [ready("False", reason, message)]})
            raise Failure(reason, message, permanent=True)

        metadata = {"name": f"{greeting.name}-greeting", "namespace": greeting.namespace}
        data = {"text": greet(spec)}
        apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
        condition = ready("True", "Greeted", "the ConfigMap has the greeting")
        report({"phase": "Ready", "configMapName": metadata["name"], "conditions": [condition]})
        return Outcome_Done()


def greet(spec: dict) -> str:
    """What the ConfigMap says."""
    return f"{HELLO.get(spec.get('language'), 'Hello')}, {spec['name']}!"


def ready(status: str, reason: str, message: str) -> dict:
    """The condition `Ready`."""
    return {"type": "Ready", "status": status, "reason": reason, "message": message}
