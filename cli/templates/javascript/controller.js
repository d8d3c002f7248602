// For each {{kind}}, a ConfigMap with its message.

import { answering, apply, report } from './joch.js';
import { configMap, status } from './wanted.js';

// What the world `controller` exports; the name is that of the WIT interface.
export const reconciler = { reconcile: answering(reconcile) };

// Called whenever the object, its ConfigMap, or anything that was read here has changed.
function reconcile(request) {
  const { name, namespace } = request.target();
  const { spec } = JSON.parse(request.object());
  apply(configMap(name, namespace, spec));
  report(status(name));
  return { tag: 'done' };
}
