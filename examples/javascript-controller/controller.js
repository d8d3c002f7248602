// For each Greeting, a ConfigMap that greets: the hello controller, in JavaScript.

import { report } from 'joch:kube/status@0.1.0';
import { Change } from 'joch:kube/writer@0.1.0';
import { Failure, about, answering } from './joch.js';

const HELLO = { de: 'Hallo', fr: 'Bonjour' };

// What the world `controller` exports; the name is that of the WIT interface.
export const reconciler = { reconcile: answering(reconcile) };

function reconcile(request) {
  const greeting = request.target();
  const { spec } = JSON.parse(request.object());
  if (!spec.name.trim()) {
    const [reason, message] = ['BlankName', 'spec.name is blank: there is nobody to greet'];
    reportStatus('Invalid', reason, message);
    throw new Failure(reason, message, { permanent: true });
  }

  const configMapName = `${greeting.name}-greeting`;
  about(`ConfigMap ${configMapName}`, () =>
    apply(configMapName, greeting.namespace, { text: greet(spec) }),
  );
  reportStatus('Ready', 'Greeted', 'the ConfigMap has the greeting', { configMapName });
  return { tag: 'done' };
}

// What the ConfigMap says.
function greet({ name, language }) {
  return `${HELLO[language] ?? 'Hello'}, ${name}!`;
}

// Makes the ConfigMap what it should be, owned by the object being reconciled.
function apply(name, namespace, data) {
  const kind = { group: '', version: 'v1', kind: 'ConfigMap' };
  const change = new Change({ kind, namespace, name });
  change.owned();
  change.force();
  const metadata = { name, namespace };
  change.apply(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }));
}

// Reports the status; the host adds times and generation, and writes only what differs.
function reportStatus(phase, reason, message, fields = {}) {
  const status = phase === 'Ready' ? 'True' : 'False';
  const conditions = [{ type: 'Ready', status, reason, message }];
  about('the status', () => report(JSON.stringify({ phase, conditions, ...fields })));
}
