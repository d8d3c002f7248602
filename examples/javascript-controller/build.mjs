// Builds the component: node build.mjs CONTROLLER.js WIT OUT.wasm

import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { componentize } from '@bytecodealliance/componentize-js';

const [sourcePath, wit, out] = process.argv.slice(2);

// ComponentizeJS takes one folder: a package with those it needs below deps/.
const witPath = await mkdtemp(join(tmpdir(), 'wit-'));
try {
  await cp(join(wit, 'controller'), witPath, { recursive: true });
  for (const name of ['kube', 'runtime']) {
    await cp(join(wit, name), join(witPath, 'deps', name), { recursive: true });
  }
  const { component } = await componentize({
    sourcePath,
    witPath,
    worldName: 'joch:controller/controller',
    // A controller gets no clock, no randomness and no network; without these, nothing of WASI is left.
    disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
  });
  await writeFile(out, component);
} finally {
  await rm(witPath, { recursive: true });
}
