import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Hello, maxEarlierRuns } from '../../../src/core/messages.ts';
import { makeEpoch } from '../../../src/core/txid.ts';
import { checkAdoption } from '../../../src/participant/adoption-line.ts';
import { Participant } from '../../../src/participant/participant.ts';
import { vote } from '../../../src/participant/vote.ts';
import { JournalError } from '../../../src/ports/journal.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { WatchedJournal } from '../../support/logs/watched-journal.ts';
import { MemoryDialer } from '../../support/network/memory-dialer.ts';
import {
  commandOf,
  prepareOf,
  rig,
  ScriptedResource,
  said,
  tell,
} from '../../support/participants/participant-rig.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { epochOfRevision, leaderInfo, txidOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const txid = txidOf(1);
const key = { txid, branch: 'stock' };
const far = leaderInfo('n1', { revision: 1_000_000 });

/** Voted for the cluster `one`, and in doubt. */
async function inDoubt(): Promise<WatchedJournal> {
  const journal = new WatchedJournal();
  const { node, participant } = await rig({ journal });
  await tell(await node('n1', { clusterId: 'one' }), prepareOf(txid));
  expect(journal.state(key)).toBe('prepared');
  await participant.close({ timeoutMs: 0 });
  return journal;
}

describe('a journal that has voted for one cluster', () => {
  it('serves no other: the connection ends, an alarm says what to do, nothing becomes durable', async () => {
    const journal = await inDoubt();
    const before = journal.log.length;
    const { node, alarms, participant, application } = await rig({ journal });
    const stranger = await node('n1', { clusterId: 'two', leaders: [far] });
    expect(stranger.open).toBe(false);
    expect(stranger.closedWith).toEqual({ code: 1008, reason: 'other cluster: one' });
    expect(stranger.take()).toEqual([]);
    expect(alarms).toMatchObject([{ alarm: 'other-cluster' }]);
    expect(alarms[0]?.message).toMatch(/one.* in doubt.*A recreated decision log/);
    expect(journal.log.slice(before)).toEqual([]);
    expect(journal.known(0)).toBe(epochOfRevision(1));
    expect(application.calls).toEqual([]);
    expect(participant.inDoubt()).toEqual([key]);
    await participant.close({ timeoutMs: 0 });
  });

  it('goes on with its own after a stranger was met, and dials the stranger seldom', async () => {
    const journal = await inDoubt();
    const { node, clock, dialer } = await rig({ journal });
    await node('n1', { clusterId: 'two', leaders: [far] });
    await clock.advance(10_000);
    expect(dialer.attempts).toHaveLength(0);
    await clock.advance(10_000);
    const own = await node('n1', { clusterId: 'one' });
    own.take();
    await tell(own, commandOf('commit', txid));
    expect(said(own)).toContain('ack commit ok');
  });

  it('serves the cluster of the first welcome alone, though nothing was voted yet', async () => {
    const { node, alarms, journal } = await rig({ urls: ['n1:7070', 'n2:7070'] });
    await node('n1', { clusterId: 'one' });
    const other = await node('n2', { clusterId: 'two', leaders: [far] });
    expect(other.open).toBe(false);
    expect(alarms).toHaveLength(1);
    expect(journal.known(0)).toBe(epochOfRevision(1));
  });
});

describe('an operator who made the decision log anew', () => {
  it('is told what is in doubt, before anything is changed', async () => {
    const journal = await inDoubt();
    const adopting = rig({ journal, adoptCluster: { id: 'two' } });
    await expect(adopting).rejects.toThrow(JournalError);
    await expect(adopting).rejects.toThrow(txid);
    expect((await journal.load()).cluster).toEqual({ id: 'one', voted: true });
    expect(journal.state(key)).toBe('prepared');
  });

  it.each(['commit', 'rollback'] as const)(
    'says %s of what is in doubt, and the journal serves the new one',
    async (outcome) => {
      const journal = await inDoubt();
      const adoptCluster = { id: 'two', inDoubt: { [txid]: outcome } };
      const { node, application, alarms, participant } = await rig({ journal, adoptCluster });
      expect(application.calls).toEqual([`${outcome} stock`]);
      expect(application.ends[0]?.payload).toEqual({ take: 1 });
      expect(participant.inDoubt()).toEqual([]);
      application.answer = () => vote.commit();
      // Its epochs begin anew, below those of the old one.
      const epoch = makeEpoch({ generation: 0, revision: 0n });
      const n1 = await node('n1', { clusterId: 'two', leaders: [{ ...leaderInfo('n1'), epoch }] });
      n1.take();
      const next = `0.${epoch}.000000002.abcdefghijklm` as typeof txid;
      await tell(n1, prepareOf(next));
      expect(said(n1)).toContain('vote commit');
      expect(alarms).toEqual([]);
      await participant.close({ timeoutMs: 0 });
      // Left in the settings, it changes nothing any more.
      const again = await rig({ journal, adoptCluster });
      expect(again.application.calls).toEqual([]);
      expect(again.participant.inDoubt()).toHaveLength(1);
    },
  );
});

it('a node of another cluster than the adopted one is refused, and the alarm says so', async () => {
  const journal = await inDoubt();
  const adoptCluster = { id: 'two', inDoubt: { [txid]: 'commit' as const } };
  const urls = ['n1:7070', 'n2:7070'];
  const { node, alarms, participant } = await rig({ journal, adoptCluster, urls });
  expect((await node('n1', { clusterId: 'three' })).open).toBe(false);
  expect(alarms).toMatchObject([{ alarm: 'other-cluster' }]);
  expect((await node('n2', { clusterId: 'two' })).open).toBe(true);
  await participant.close({ timeoutMs: 0 });
});

it.each<[object, RegExp]>([
  [{}, /adoptCluster.id must be the id of a cluster/],
  [{ id: null }, /id in adoptCluster must be a string/],
  [{ id: 'two words' }, /adoptCluster.id must be the id/],
  [{ id: 'two', from: '' }, /adoptCluster.from must be the id/],
  [{ id: 'two', indoubt: {} }, /no field "indoubt" in adoptCluster/],
  [{ id: 'two', inDoubt: { x: 'commit' } }, /of txids, not "commit" of "x"/],
  [{ id: 'two', inDoubt: { [txid]: 'committed' } }, /'commit' or 'rollback' of txids/],
])('%j cannot be adopted', (adoption, said) => {
  expect(() => checkAdoption(adoption as never)).toThrow(said);
});

describe('the variable VERDICT_ADOPT_CLUSTER', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('is in the alarm, ready to be pasted, and ends what is in doubt once it is filled in', async () => {
    const journal = await inDoubt();
    const before = await rig({ journal });
    await before.node('n1', { clusterId: 'two' });
    const [, line = ''] =
      /VERDICT_ADOPT_CLUSTER='([^']*)'/.exec(before.alarms[0]?.message ?? '') ?? [];
    expect(line).toBe(`one:two ${txid}=?`);
    await before.participant.close({ timeoutMs: 0 });

    vi.stubEnv('VERDICT_ADOPT_CLUSTER', line);
    await expect(rig({ journal })).rejects.toThrow(/must be OLD:NEW/);
    vi.stubEnv('VERDICT_ADOPT_CLUSTER', line.replace('?', 'commit'));
    const { application, participant, node, alarms } = await rig({
      journal,
      // What is left in the code of an earlier accident.
      adoptCluster: { id: 'one' },
    });
    expect(application.calls).toEqual(['commit stock']);
    expect((await node('n1', { clusterId: 'two' })).open).toBe(true);
    expect(alarms).toEqual([]);
    await participant.close({ timeoutMs: 0 });
  });

  it('with an outcome missing changes nothing, and names what is missing', async () => {
    const journal = await inDoubt();
    const { node, participant } = await rig({ journal });
    const second = txidOf(2);
    await tell(await node('n1', { clusterId: 'one' }), prepareOf(second));
    await participant.close({ timeoutMs: 0 });
    const application = new ScriptedResource();
    vi.stubEnv('VERDICT_ADOPT_CLUSTER', `one:two ${txid}=commit`);
    const start = rig({ journal, application });
    await expect(start).rejects.toThrow(`'one:two ${txid}=commit ${second}=?'`);
    expect(application.calls).toEqual([]);
    expect(journal.state(key)).toBe('prepared');
  });

  it('is of one cluster: a journal of another stays as it is', async () => {
    const journal = await inDoubt();
    vi.stubEnv('VERDICT_ADOPT_CLUSTER', `three:two ${txid}=rollback`);
    const { application, participant } = await rig({ journal });
    expect(application.calls).toEqual([]);
    expect(participant.inDoubt()).toEqual([key]);
    await participant.close({ timeoutMs: 0 });
  });

  it.each([
    'two',
    'one:',
    ':two',
    'one:two:three',
    'one:two x=commit',
    `one:two ${txid}=abort`,
    `one:two ${txid}=commit ${txid}=rollback`,
  ])('set to %j is refused before anything is opened', async (text) => {
    vi.stubEnv('VERDICT_ADOPT_CLUSTER', text);
    await expect(rig()).rejects.toThrow(/VERDICT_ADOPT_CLUSTER .*must be OLD:NEW/);
  });

  it('never has a shell carry out what a stranger calls itself', async () => {
    const journal = await inDoubt();
    const { node, alarms, participant } = await rig({ journal });
    await node('n1', { clusterId: "x'; reboot; '" });
    expect(alarms[0]?.message).toContain(`VERDICT_ADOPT_CLUSTER='one:NEW ${txid}=?'`);
    await participant.close({ timeoutMs: 0 });
  });
});

describe('a participant whose journal was copied', () => {
  const refusal = {
    type: 'error',
    code: 'JOURNAL_COPIED',
    message: 'It was copied.',
    retryable: false,
  } as const;

  it('raises an alarm, dials seldom, and tells every node', async () => {
    const { alarms, clock, dialer, participant } = await rig();
    const url = 'ws://n1:7070/v1';
    const first = dialer.next(url).accept();
    const [hello] = first.take();
    expect(hello).toMatchObject({ type: 'hello' });
    expect(hello).not.toHaveProperty('copy');
    first.deliver(refusal);
    await clock.advance(10_000);
    expect(alarms).toMatchObject([{ alarm: 'journal-copied' }]);
    expect(alarms[0]?.message).toContain('It was copied.');
    expect(dialer.attempts).toHaveLength(0);
    await clock.advance(10_000);
    const again = dialer.next(url).accept();
    const { run } = hello as Hello;
    expect(again.take()).toMatchObject([{ type: 'hello', run, copy: true }]);
    await participant.close({ timeoutMs: 0 });
  });

  it('works at no node any more: those that know nothing of it are dialled anew, and told', async () => {
    const { node, dialer, participant, clock } = await rig({ urls: ['n1:7070', 'n2:7070'] });
    const served = await node('n2');
    dialer.next('ws://n1:7070/v1').accept().deliver(refusal);
    await clock.advance(100);
    expect(served.open).toBe(false);
    const again = dialer.next('ws://n2:7070/v1').accept();
    expect(again.take()).toMatchObject([{ type: 'hello', copy: true }]);
    await participant.close({ timeoutMs: 0 });
  });

  it.each([
    ["asks no decision log about what it finds in doubt, which may be the other one's", true],
    ['that was only cut off asks it', false],
  ])('%s', async (_, copied) => {
    const journal = await inDoubt();
    const clock = new ManualClock();
    const dialer = new MemoryDialer();
    let opened = 0;
    const openReader = async (): Promise<never> => {
      opened += 1;
      throw new Error('unreachable');
    };
    const ports = { journal, dialer, clock, random: seededRandom(), run: 'a', openReader };
    const settings = { name: 'inventory', urls: ['n1:7070'], logger: silentLogger };
    const participant = await Participant.start(settings, new ScriptedResource(), ports);
    const n1 = dialer.next('ws://n1:7070/v1').accept();
    if (copied) n1.deliver(refusal);
    else n1.terminate();
    await clock.advance(12_000);
    expect(opened > 0).toBe(!copied);
    await participant.close({ timeoutMs: 0 });
  });

  it('each start names those before it, as its journal has them', async () => {
    const journal = new WatchedJournal();
    const hellos: Hello[] = [];
    for (let start = 0; start < 12; start += 1) {
      const { dialer, participant } = await rig({ journal, random: seededRandom(start) });
      const [hello] = dialer.next('ws://n1:7070/v1').accept().take();
      hellos.push(hello as Hello);
      await participant.close({ timeoutMs: 0 });
    }
    const runs = hellos.map(({ run }) => run as string);
    for (const [start, { earlierRuns }] of hellos.entries()) {
      expect(earlierRuns).toEqual(runs.slice(0, start).reverse().slice(0, maxEarlierRuns));
    }
  });

  it('a start that comes later sorts later', async () => {
    const runs: (string | undefined)[] = [];
    for (const waitMs of [0, 1, 86_400_000]) {
      const clock = new ManualClock();
      await clock.advance(waitMs);
      const { dialer, participant } = await rig({ clock });
      const [hello] = dialer.next('ws://n1:7070/v1').accept().take();
      runs.push((hello as Hello).run);
      await participant.close({ timeoutMs: 0 });
    }
    expect(new Set(runs).size).toBe(3);
    expect(runs).toEqual([...runs].sort());
  });
});
