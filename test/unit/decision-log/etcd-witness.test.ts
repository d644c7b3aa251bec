import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogSetBackError, WitnessKeeper } from '../../../src/decision-log/etcd/witness.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

/** For a disk: how long its flush takes is no one's promise. */
const waiting = { timeout: 15_000, interval: 5 };

describe('witness against an etcd that was set back', () => {
  let directory: { readonly path: string; remove(): void };
  let clock: ManualClock;
  let path: string;
  const failures: Error[] = [];
  beforeEach(() => {
    directory = temporaryDirectory();
    clock = new ManualClock();
    path = join(directory.path, 'state', 'witness.json');
    failures.length = 0;
  });
  afterEach(() => directory.remove());

  const keeper = (cluster = 'test') =>
    new WitnessKeeper({ path, cluster, clock, failed: (error) => failures.push(error) });
  const mark = (revision: string, more: object = {}) => ({
    clusterId: '77',
    log: 'log-1',
    generation: 0,
    revision,
    ...more,
  });
  async function leftBehind(revision: string, more: object = {}): Promise<void> {
    const before = keeper();
    before.begin(mark(revision, more));
    await before.close();
  }
  const stored = () => JSON.parse(readFileSync(path, 'utf8')).revision;

  it('compares an answer with what was known when its question was asked', () => {
    const witness = keeper();
    witness.begin(mark('10'));
    const first = witness.revision;
    witness.observe(mark('12'), { known: first, wrote: false });
    // Asked together with the one before, and answered later: no regress.
    witness.observe(mark('11'), { known: first, wrote: false });
    expect(witness.revision).toBe(12n);
    expect(() => witness.observe(mark('11'), { known: witness.revision, wrote: false })).toThrow(
      LogSetBackError,
    );
    const write = { known: witness.revision, wrote: true };
    // It lost one revision, and its first write is at the same again.
    expect(() => witness.observe(mark('12'), write)).toThrow(LogSetBackError);
    witness.observe(mark('12'), { ...write, wrote: false });
    expect(() =>
      witness.observe(mark('13', { clusterId: '78' }), { known: first, wrote: false }),
    ).toThrow(LogSetBackError);
  });

  it('knows revisions beyond 2^53', () => {
    const witness = keeper();
    witness.begin(mark('9007199254740993'));
    expect(() =>
      witness.observe(mark('9007199254740992'), { known: witness.revision, wrote: false }),
    ).toThrow(LogSetBackError);
  });

  it('remembers from one process to the next, exactly where it was closed', async () => {
    await leftBehind('100');
    expect(stored()).toBe('100');
    expect(() => keeper().begin(mark('99'))).toThrow(/revision was 100 and is 99/);
    expect(() => keeper().begin(mark('100'))).not.toThrow();
    expect(() => keeper().begin(mark('200', { clusterId: '78' }))).toThrow(
      /was cluster 77 and is 78/,
    );
  });

  it('lets a raised generation begin anew, and no lowered one', async () => {
    await leftBehind('100', { generation: 1 });
    expect(() => keeper().begin(mark('5', { generation: 2, clusterId: '78' }))).not.toThrow();
    expect(() => keeper().begin(mark('500', { generation: 0 }))).toThrow(
      /generation was 1 and is 0/,
    );
    const witness = keeper();
    witness.begin(mark('100', { generation: 1 }));
    expect(() => witness.adoptGeneration({ generation: 0, revision: '100' })).toThrow(
      LogSetBackError,
    );
  });

  it('takes an answer that the one with the raised generation has overtaken for what it is', () => {
    const witness = keeper();
    witness.begin(mark('100'));
    witness.adoptGeneration({ generation: 1, revision: '107' });
    witness.adoptGeneration({ generation: 0, revision: '106' });
    expect(witness.generation).toBe(1);
    expect(() => witness.adoptGeneration({ generation: 0, revision: '107' })).toThrow(
      /generation was 1 and is 0/,
    );
  });

  it('writes behind, a few times a second at most', async () => {
    const witness = keeper();
    witness.begin(mark('1'));
    for (let revision = 2; revision <= 1_000; revision += 1) {
      witness.observe(mark(String(revision)), { known: witness.revision, wrote: false });
    }
    expect(clock.timers).toBe(1);
    await clock.advance(250);
    // One that comes while the file is being written waits for its end, and for the pause after it.
    witness.observe(mark('1001'), { known: witness.revision, wrote: false });
    await vi.waitFor(() => expect(clock.timers).toBe(1), waiting);
    expect(stored()).toBe('1000');
    await clock.advance(250);
    await vi.waitFor(() => expect(stored()).toBe('1001'), waiting);
    expect(failures).toEqual([]);
    await witness.close();
  });

  it('refuses a file that it cannot read, and one of another cluster', async () => {
    await leftBehind('100');
    expect(() => keeper('other').begin(mark('100'))).toThrow(/belongs to a node of cluster test/);
    for (const text of ['', '{', '7', 'null', '{"formatVersion":1}', '{"formatVersion":2}']) {
      writeFileSync(path, text);
      expect(() => keeper().begin(mark('100')), text).toThrow(/cannot be read.*remove the file/);
    }
  });

  it('says so when the file cannot be written', async () => {
    const witness = new WitnessKeeper({
      path: join(directory.path, 'other', 'witness.json'),
      cluster: 'test',
      clock,
      failed: (error) => failures.push(error),
    });
    witness.begin(mark('1'));
    writeFileSync(join(directory.path, 'other'), 'a file where the folder should be');
    await witness.close();
    expect(failures.map(String).join()).toContain('cannot be written');
  });
});
