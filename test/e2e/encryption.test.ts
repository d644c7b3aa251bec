/** What lies on the disk with encryption and without it, and what kill -9 leaves of a rotation. */
import { randomBytes } from 'node:crypto';
import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BranchRequest, connect } from '../../src/client.ts';
import { type Epoch, makeEpoch } from '../../src/core/txid.ts';
import { openLmdbJournal } from '../../src/journal/lmdb/journal.ts';
import type { EncryptionKeys } from '../../src/ports/cipher.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { readLmdb } from '../../src/store/lmdb.ts';
import { payloadCipher, sealedBy } from '../../src/system/payload-cipher.ts';
import { realClock, realRandom, txidAt } from '../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import type { SealedSettings } from '../support/participants/sealed-entry.ts';
import { Child } from '../support/process/child.ts';

const k1 = randomBytes(32).toString('base64');
const k2 = randomBytes(32).toString('base64');
const first: EncryptionKeys = { current: 'k1', keys: { k1 } };
const both: EncryptionKeys = { current: 'k2', keys: { k1, k2 } };
const second: EncryptionKeys = { current: 'k2', keys: { k2 } };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('what participants keep', () => {
  let node: NodeProcess;
  let service: Child | null = null;
  beforeEach(async () => {
    node = await NodeProcess.started({ data: join(directory, 'node'), options: quickOptions });
  });
  afterEach(async () => {
    await service?.kill();
    await node.kill();
  });

  async function serve(more: Pick<SealedSettings, 'encryption' | 'crashAt'>): Promise<string> {
    const settings: SealedSettings = { url: node.url, data: join(directory, 'service'), ...more };
    const args = [JSON.stringify(settings)];
    service = new Child('test/support/participants/sealed-entry.ts', { args });
    const line = await service.line(/"serving"/);
    if (line === null) throw new Error(service.lines.join('\n'));
    return line;
  }

  /** Directories, from the test's own, in any byte of which the text is. */
  function holding(text: string): readonly string[] {
    const files = readdirSync(directory, { recursive: true, withFileTypes: true });
    const found = files
      .filter((each) => each.isFile())
      .map((each) => join(each.parentPath, each.name))
      .filter((path) => readFileSync(path).includes(text))
      .map((path) => path.slice(directory.length + 1).replace(/\/[^/]*$/, ''));
    return [...new Set(found)].sort();
  }

  const marker = 'a-lamp-for-Ada-Lovelace';
  const keptIn = ['mail-journal', 'outbox', 'own-journal', 'stock-journal', 'store'].map(
    (name) => `service/${name}`,
  );

  it.each([
    { sealed: false, found: keptIn },
    { sealed: true, found: [] },
  ])('sealed: $sealed: users content is found in $found.length directories', async (run) => {
    const keys = join(directory, 'keys.json');
    writeFileSync(keys, JSON.stringify(first), { mode: 0o600 });
    const encryption = run.sealed ? { encryption: { file: keys } } : {};
    await serve({ ...encryption, crashAt: 'before-commit-applied:2' });
    await using client = await connect({ name: 'tester', urls: [node.url] });
    const branches = (note: string): readonly BranchRequest<unknown>[] => [
      { participant: 'own', payload: { note } },
      { participant: 'stock', payload: { writes: [{ key: 'lamp', value: { note } }] } },
      { participant: 'mail', payload: { messages: [{ note }] } },
    ];
    const done = await client.transact({ branches: branches(marker) }, { answer: 'applied' });
    expect(done.outcome).toBe('committed');
    const refused = await client.transact({
      branches: [{ participant: 'own', payload: { note: marker, refuse: true } }],
    });
    expect(refused.outcome).toBe('aborted');

    const doubtful = await client.transact({ branches: branches(marker) });
    expect(doubtful.outcome).toBe('committed');
    expect((await service?.exited)?.signal).toBe('SIGKILL');
    expect(holding(marker)).toEqual(run.found);
    // So that this finds anything at all.
    expect(holding(doubtful.txid)).toContain('service/own-journal');

    const serving = await serve(encryption);
    expect(JSON.parse(serving)).toMatchObject({ lamp: { note: marker } });
    const committed = await service?.line(/"committed"/);
    expect(JSON.parse(committed ?? '{}')).toEqual({
      committed: doubtful.txid,
      payload: { note: marker },
    });
    await service?.stop();
    expect(holding(marker)).toEqual(run.found);
  });
});

describe('a journal whose key changes', () => {
  const epoch: Epoch = makeEpoch({ generation: 0, revision: 1n });
  const count = 300;
  const place = (): string => join(directory, 'journal');

  const open = (keys: EncryptionKeys | null): Promise<Journal> =>
    openLmdbJournal({
      directory: place(),
      clock: realClock,
      random: realRandom,
      ...(keys === null ? {} : { cipher: payloadCipher(keys) }),
      onFatal: (error) => {
        throw error;
      },
    });

  const entryAt = (at: number) => ({
    txid: txidAt(epoch, at + 1),
    branch: 'b',
    state: 'prepared' as const,
    epoch,
    witness: null,
    payload: { at },
    result: { done: at },
    atMs: 1,
  });

  async function filled(keys: EncryptionKeys | null): Promise<void> {
    const journal = await open(keys);
    await Promise.all(Array.from({ length: count }, (_, at) => journal.vote(entryAt(at))));
    await journal.close();
  }

  async function assertWhole(keys: EncryptionKeys): Promise<void> {
    const journal = await open(keys);
    expect((await journal.load()).entries).toEqual(
      Array.from({ length: count }, (_, at) => entryAt(at)),
    );
    await journal.close();
  }

  /** How many entries are sealed by which key. */
  async function seals(): Promise<Readonly<Record<string, number>>> {
    const values = await readLmdb({ directory: place(), file: 'journal.mdb' }, (keys) =>
      keys.range({ start: 'l/', end: 'l0', limit: 2 * count }),
    );
    const by: Record<string, number> = {};
    for (const [, value] of values ?? []) {
      const { sealed } = value as { readonly sealed?: Uint8Array };
      const id = sealed === undefined ? 'clear' : sealedBy(sealed);
      by[id] = (by[id] ?? 0) + 1;
    }
    return by;
  }

  async function killedAt(nth: number, keys: EncryptionKeys): Promise<void> {
    const args = [place(), JSON.stringify(keys), String(nth)];
    const child = new Child('test/support/logs/sealing-entry.ts', { args });
    expect((await child.exited).signal, child.lines.join('\n')).toBe('SIGKILL');
  }

  // The first value proves the key; 128 entries are sealed in one transaction.
  it.each([
    { nth: 1, left: { k1: count } },
    { nth: 2, left: { k1: count } },
    { nth: 129, left: { k1: count } },
    { nth: 130, left: { k1: count - 128, k2: 128 } },
    { nth: 200, left: { k1: count - 128, k2: 128 } },
    { nth: 301, left: { k1: count - 256, k2: 256 } },
    { nth: 302, left: { k2: count } },
    { nth: 0, left: { k2: count } },
  ])('and that is killed at value $nth of it: nothing is lost', async ({ nth, left }) => {
    await filled(first);
    await killedAt(nth, both);
    expect(await seals()).toEqual(left);
    if ('k1' in left) await expect(open(second)).rejects.toThrow(/sealed with the key k1/);
    if ('k2' in left) await expect(open(first)).rejects.toThrow(/sealed with the key k2/);
    await expect(open(null)).rejects.toThrow(/which is not given. Nothing was changed/);
    expect(await seals()).toEqual(left);
    await assertWhole(both);
    expect(await seals()).toEqual({ k2: count });
    await assertWhole(second);
  });

  it('and that is killed as its first key comes', async () => {
    await filled(null);
    await killedAt(200, first);
    expect(await seals()).toEqual({ clear: count - 128, k1: 128 });
    await expect(open(null)).rejects.toThrow(/sealed with the key k1/);
    await assertWhole(first);
    expect(await seals()).toEqual({ k1: count });
  });

  it('(a copy from before the rotation needs its own key)', async () => {
    await filled(first);
    cpSync(place(), join(directory, 'copy'), { recursive: true });
    await assertWhole(both);
    await rm(place(), { recursive: true });
    cpSync(join(directory, 'copy'), place(), { recursive: true });
    chmodSync(place(), 0o700);
    await expect(open(second)).rejects.toThrow(/sealed with the key k1/);
    await assertWhole(both);
  });
});
