"""For each {{kind}}, a ConfigMap with its message."""

import json

from wit_world.imports.context import Request
from wit_world.imports.joch_controller_types import Outcome, Outcome_Done

from joch import answering, apply, report
from wanted import config_map, status


class Reconciler:
    """What the world `controller` exports; the name is that of the WIT interface."""

    @answering
    def reconcile(self, req: Request) -> Outcome:
        """Called whenever the object, its ConfigMap, or anything that was read here has changed."""
        target = req.target()
        spec = json.loads(req.object())["spec"]
        apply(config_map(target.name, target.namespace, spec))
        report(status(target.name))
        return Outcome_Done()
