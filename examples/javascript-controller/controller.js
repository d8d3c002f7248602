// For each Greeting, a ConfigMap that greets: the hello controller, in JavaScript.

import { Failure, answering, apply, report } from './joch.js';

const HELLO = { de: 'Hallo', fr: 'Bonjour' };

// What the world `controller` exports; the name is that of the WIT interface.
export const reconciler = { reconcile: answering(reconcile) };

function reconcile(request) {
  const greeting = request.target();
  const { spec } = JSON.parse(request.object());
  if (!spec.name.trim()) {
    const [reason, message] = ['BlankName', 'spec.name is blank: there is nobody to greet'];
    report({ phase: 'Invalid', conditions: [ready('False', reason, message)] });
    throw new Failure(reason, message, { permanent: true });
  }

  const metadata = { name: `${greeting.name}-greeting`, namespace: greeting.namespace };
  const data = { text: greet(spec) };
  apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
  const condition = ready('True', 'Greeted', 'the ConfigMap has the greeting');
  report({ phase: 'Ready', configMapName: metadata.name, conditions: [condition] });
  return { tag: 'done' };
}

// What the ConfigMap says.
function greet({ name, language }) {
  return `${HELLO[language] ?? 'Hello'}, ${name}!`;
}

// The condition `Ready`.
function ready(status, reason, message) {
  return { type: 'Ready', status, reason, message };
}
