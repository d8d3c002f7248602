// What there should be for a {{kind}}: plain functions, which a test calls without a host.

// The ConfigMap of the {{kind}} with this name.
export function configMap(name, namespace, spec) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: mapName(name), namespace },
    data: { message: spec.message },
  };
}

// The status of the {{kind}}, once its ConfigMap is there; the host adds times and generation.
export function status(name) {
  const message = 'the ConfigMap has the message';
  const ready = { type: 'Ready', status: 'True', reason: 'Written', message };
  return { phase: 'Ready', configMapName: mapName(name), conditions: [ready] };
}

function mapName(name) {
  return `${name}-{{singular}}`;
}
