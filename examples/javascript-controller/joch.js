// What a controller needs besides its own logic. To be copied as it is.
//
// A call to the host fails by throwing an error whose `payload` is the WIT's variant. `about` makes it a
// Failure that says what it was about and whether trying again is of use; `answering` hands that over.
// `apply` and `report` are the calls that most controllers make. `console` writes to the host's log.

import * as host from 'joch:kube/status@0.1.0';
import { Change } from 'joch:kube/writer@0.1.0';
import { write } from 'joch:runtime/log@0.1.0';

for (const level of ['debug', 'info', 'warn', 'error']) {
  console[level] = (...words) => write(level, words.join(' '), []);
}
console.log = console.info;

// Why a reconcile failed: one CamelCase word, one sentence, and whether only a change can help.
export class Failure extends Error {
  constructor(reason, message, { permanent = false, retryAfterMs } = {}) {
    super(message);
    const tag = permanent ? 'permanent' : 'transient';
    // What the bindings hand over to the host.
    this.payload = { tag, val: { reason, message, retryAfterMs } };
  }
}

// Runs `call`; a failed call to the host becomes a Failure about `subject`.
export function about(subject, call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof Failure || error.payload === undefined) throw error;
    throw failureOf(subject, error.payload);
  }
}

// Makes an object what is wanted, owned by the one being reconciled; it takes over what others set.
export function apply(wanted) {
  const { apiVersion, kind, metadata } = wanted;
  const { name, namespace } = metadata;
  const [version, group = ''] = apiVersion.split('/').reverse();
  about(`${kind} ${name}`, () => {
    const change = new Change({ kind: { group, version, kind }, namespace, name });
    change.owned();
    change.force();
    change.apply(JSON.stringify(wanted));
  });
}

// Reports the status; the host adds times and generation, and writes only what differs.
export function report(status) {
  about('the status', () => host.report(JSON.stringify(status)));
}

// Permanent where only a person or another object can help, transient where time can.
function failureOf(subject, { tag, val }) {
  const permanent = true;
  switch (tag) {
    case 'denied':
      return new Failure('Denied', `${subject}: not granted: ${val.missingGrant}`, { permanent });
    case 'invalid':
      return new Failure('Invalid', `${subject}: ${val}`, { permanent });
    case 'not-watched':
      return new Failure('NotWatched', `${subject}: plugin.toml watches no ${val}`, { permanent });
    case 'owned-by-other':
      return new Failure('OwnedByOther', `${subject}: others own ${val.join(', ')}`, { permanent });
    case 'not-found':
      return new Failure('NotFound', `${subject}: there is none`);
    case 'already-exists':
      return new Failure('AlreadyExists', `${subject}: exists already, as ${val.uid}`);
    case 'stale':
      return new Failure('Stale', `${subject}: has changed meanwhile`);
    case 'over-limit':
      return new Failure('OverLimit', `${subject}: ${val}`);
    case 'unavailable':
      return new Failure('Unavailable', `${subject}: the API server cannot answer now`, {
        retryAfterMs: val,
      });
    case 'fenced':
      return new Failure('Fenced', `${subject}: another replica goes on`);
    default:
      return new Failure('HostError', `${subject}: ${tag}: ${val}`);
  }
}

// Lets a Failure pass to the host, and makes any other exception a permanent one.
//
// An exception that left `reconcile` would end the instance without a word. It is a bug, or an object that
// nobody thought of, so only a change can help; and a change calls again.
export function answering(reconcile) {
  return (request) => {
    try {
      return reconcile(request);
    } catch (error) {
      if (error instanceof Failure) throw error;
      const way = String(error.stack ?? '').trim().split('\n');
      console.warn(`${error}, by way of ${way.join(' < ')}`);
      throw new Failure('Exception', `${error} (${way[0]})`, { permanent: true });
    }
  };
}
