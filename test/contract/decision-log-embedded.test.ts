import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { open as openDatabase } from 'lmdb';
import { Packr } from 'msgpackr';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Epoch, epochOf, type Txid } from '../../src/core/txid.ts';
import { type EmbeddedLogOptions, openEmbeddedLog } from '../../src/decision-log/embedded/log.ts';
import { DecisionLogError } from '../../src/ports/decision-log.ts';
import { embeddedFixture } from '../support/logs/log-fixtures.ts';
import { commitOf, never, realClock, temporaryDirectory, txidAt } from '../support/logs/stores.ts';
import { decisionLogContract } from './decision-log.ts';

const writer = fileURLToPath(new URL('../support/logs/decision-log-writer.ts', import.meta.url));

function optionsFor(directory: string, node = 'alpha'): EmbeddedLogOptions {
  const onFatal = (error: Error): never => {
    throw error;
  };
  return { directory, node, url: `ws://${node}`, clock: realClock, onFatal };
}

decisionLogContract('embedded', embeddedFixture, { severalNodes: false, flushes: true });

describe('embedded decision log', () => {
  let directory: { readonly path: string; remove(): void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());
  const open = (more: Partial<EmbeddedLogOptions> = {}) =>
    openEmbeddedLog({ ...optionsFor(directory.path), ...more });

  async function rewriteMeta(
    change: (meta: Record<string, unknown>) => unknown,
    path = `${directory.path}/decisions.mdb`,
  ): Promise<void> {
    const database = openDatabase<Buffer, string>({
      path,
      noSubdir: true,
      overlappingSync: false,
      encoding: 'binary',
    });
    const codec = new Packr({ useRecords: false });
    const meta = codec.unpack(database.get('meta') as Buffer) as Record<string, unknown>;
    await database.put('meta', codec.pack(change(meta)));
    await database.close();
  }

  it('keeps every answer through kill -9 at any moment, and starts under a higher epoch', async () => {
    const known: { txid: Txid; requestId: string }[] = [];
    let epoch = '' as Epoch;
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, [writer, directory.path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let answers = 0;
      // At a different number of answers each time: in the midst of the writes, wherever that is.
      const fatalAnswer = 40 + Math.floor(Math.random() * 400);
      for await (const line of createInterface({ input: child.stdout })) {
        const answer = JSON.parse(line) as { txid: Txid; requestId: string };
        known.push(answer);
        answers += 1;
        if (answers === fatalAnswer) child.kill('SIGKILL');
      }
      if (child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');

      const log = await open();
      // The dead process's leadership is over before anyone leads again: what it left undecided is
      // aborted.
      const { txid: someTxid } = known.at(-1) as { txid: Txid };
      const undecided = txidAt(epochOf(someTxid), 1_000_000);
      expect(await log.read(undecided)).toMatchObject({ record: null, leader: null });
      const leadership = await log.campaign(0, { signal: never });
      expect(leadership.epoch > epoch).toBe(true);
      epoch = leadership.epoch;
      for (const { txid, requestId } of known) {
        expect((await log.read(txid)).record?.outcome).toBe('commit');
        expect((await leadership.readRequest(requestId))?.txid).toBe(txid);
        expect(await log.bind({ participant: 'p', instance: txid }, 'other')).toBe('writer');
      }
      const total = (await leadership.pending({ after: null, limit: 1_000_000 })).length;
      expect(leadership.requestCount()).toBe(total);
      await log.close();
    }
    expect(known.length).toBeGreaterThan(100);
  });

  it('refuses a second owner in this process, and says who has it', async () => {
    const log = await open();
    const refused = open({ node: 'beta' });
    await expect(refused).rejects.toThrow(DecisionLogError);
    await expect(refused).rejects.toThrow(new RegExp(`this same process.*${process.pid}.*alpha`));
    await log.close();
    await (await open()).close();
  });

  it('refuses a second process, which is told the pid', async () => {
    const child = spawn(process.execPath, [writer, directory.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      const refused = open();
      await expect(refused).rejects.toThrow(DecisionLogError);
      await expect(refused).rejects.toThrow(new RegExp(`pid ${child.pid}.*Stop that one`));
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await (await open()).close();
  });

  it('raises an older format before there is a log that an older program would leave out', async () => {
    await (await open()).close();
    await rewriteMeta((meta) => ({ ...meta, formatVersion: 1 }));
    const log = await open();
    const copy = `${directory.path}/copy.mdb`;
    cpSync(`${directory.path}/decisions.mdb`, copy);
    await log.close();
    const versions: unknown[] = [];
    await rewriteMeta((meta) => {
      versions.push(meta['formatVersion']);
      return meta;
    }, copy);
    expect(versions).toEqual([2]);
  });

  it('refuses a newer format and leaves it alone', async () => {
    await (await open()).close();
    await rewriteMeta((meta) => ({ ...meta, formatVersion: 3 }));
    await expect(open()).rejects.toThrow(/format 3.*up to 2.*newer program/);
    await rewriteMeta((meta) => ({ ...meta, formatVersion: 2 }));
    await (await open()).close();
  });

  it.each([
    ['another kind', (meta: object) => ({ ...meta, kind: 'verdict journal' })],
    ['no version', (meta: object) => ({ ...meta, formatVersion: undefined })],
    ['version 0', (meta: object) => ({ ...meta, formatVersion: 0 })],
    ['two shards', (meta: object) => ({ ...meta, shards: 2 })],
    ['no window', (meta: object) => ({ ...meta, requestWindowMs: 'long' })],
    ['no map', () => 7],
  ])('refuses what it cannot read: %s', async (_, change) => {
    await (await open()).close();
    await rewriteMeta(change);
    await expect(open()).rejects.toThrow(/not a verdict decision log, or a broken one/);
  });

  it('keeps the window and the cluster it was made with', async () => {
    const log = await open({ requestWindowMs: 5_000, cluster: 'shop' });
    expect(log.meta).toMatchObject({ requestWindowMs: 5_000, cluster: 'shop', shards: 1 });
    await log.close();
    const again = await open();
    expect(again.meta).toEqual(log.meta);
    expect(log.meta.clusterId).toMatch(/^[0-9a-z]{20}$/);
    await again.close();
    await expect(open({ requestWindowMs: 6_000 })).rejects.toThrow(
      /made with requestWindowMs 5000/,
    );
    await expect(open({ cluster: 'other' })).rejects.toThrow(/made with cluster shop/);
    await (await open({ requestWindowMs: 5_000, cluster: 'shop' })).close();
  });

  it('judges what a closed log left undecided as aborted, before anyone leads again', async () => {
    const log = await open();
    const { epoch } = await log.campaign(0, { signal: never });
    await log.close();
    const again = await open();
    expect(await again.read(txidAt(epoch, 1))).toMatchObject({ record: null, leader: null });
    await again.close();
  });

  it('refuses to decide what did not begin under the leadership', async () => {
    const log = await open();
    const first = await log.campaign(0, { signal: never });
    const second = await log.campaign(0, { signal: never });
    await expect(second.decide(commitOf(txidAt(first.epoch, 1)))).rejects.toThrow(RangeError);
    await log.close();
  });
});
