/** What all branch stores have in common: how they lie on disk. */
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openOutbox } from '../../../src/outbox.ts';
import { openVersionedStore } from '../../../src/versioned-store.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';

let directory: { readonly path: string; remove(): void };
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

// They read ranges for each branch, and what a log holds has no order (ADR 5).
it.each([
  ['versioned store', () => openVersionedStore({ dataDirectory: directory.path })],
  ['outbox', () => openOutbox({ dataDirectory: directory.path, publish: async () => undefined })],
])('%s: is kept without a log', async (_name, open) => {
  const store = await open();
  const files = readdirSync(directory.path);
  await store.close();
  expect(files.some((file) => file.endsWith('.mdb'))).toBe(true);
  expect(files.filter((file) => file.includes('.log-'))).toEqual([]);
});
