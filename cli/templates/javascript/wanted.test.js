// What there should be, tested without a host: node --test

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMap, status } from './wanted.js';

test('the ConfigMap has the message', () => {
  const wanted = configMap('a', 'team', { message: 'Hello' });
  assert.deepEqual(wanted.metadata, { name: 'a-{{singular}}', namespace: 'team' });
  assert.deepEqual(wanted.data, { message: 'Hello' });
});

test('the status names the ConfigMap', () => {
  const { phase, configMapName } = status('a');
  assert.deepEqual([phase, configMapName], ['Ready', 'a-{{singular}}']);
});
