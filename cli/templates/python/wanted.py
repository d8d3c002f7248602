"""What there should be for a {{kind}}: plain Python, which a test calls without a host."""


def config_map(name: str, namespace: str, spec: dict) -> dict:
    """The ConfigMap of the {{kind}} with this name."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": map_name(name), "namespace": namespace},
        "data": {"message": spec["message"]},
    }


def status(name: str) -> dict:
    """The status of the {{kind}}, once its ConfigMap is there; the host adds times and generation."""
    message = "the ConfigMap has the message"
    ready = {"type": "Ready", "status": "True", "reason": "Written", "message": message}
    return {"phase": "Ready", "configMapName": map_name(name), "conditions": [ready]}


def map_name(name: str) -> str:
    return f"{name}-{{singular}}"
