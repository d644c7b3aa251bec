/** What a node lets each identity do. Every rule is tried by someone who has no right to it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Patterns } from '../../../src/core/access/patterns.ts';
import type { Quotas, Rights } from '../../../src/core/access/rights.ts';
import type { FromNode, PeerRole } from '../../../src/core/messages.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { unquoted } from '../../../src/node/unquoted.ts';
import { type Access, everyone, type Who } from '../../../src/ports/access.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { LoopDialer } from '../../support/nodes/loop-dialer.ts';
import { LoopNode, type LoopPeer, obedient } from '../../support/nodes/loop-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

interface Entry {
  readonly roles: readonly PeerRole[];
  readonly participants?: readonly string[];
  readonly clients?: readonly string[];
  readonly calls?: readonly string[];
  readonly labels?: readonly string[];
  readonly lockGroups?: readonly string[];
  readonly sees?: 'all';
  readonly quotas?: Quotas;
}

const entries: Record<string, Entry> = {
  payment: { roles: ['participant'] },
  'payment-too': { roles: ['participant'], participants: ['payment'], quotas: { instances: 1 } },
  shop: { roles: ['client'], calls: ['payment'], labels: ['order'], lockGroups: ['shared/stock*'] },
  rival: { roles: ['client'], clients: ['shop'], calls: ['*'] },
  n2: { roles: ['node'] },
  auditor: { roles: ['client'], sees: 'all' },
  alice: { roles: ['operator'] },
  bob: { roles: ['viewer'] },
  both: { roles: ['client', 'participant'], calls: ['both'] },
  desk: { roles: ['client', 'participant', 'viewer'] },
};

class TestAccess implements Access {
  readonly hasRights = true;
  readonly isOpen = false;
  readonly rights = new Map(
    Object.entries(entries).map(([name, entry]) => [name, of(name, entry)]),
  );
  readonly #listeners: (() => void)[] = [];
  authenticate: Access['authenticate'] = everyone.authenticate;
  whoHas: Access['whoHas'] = (token) => {
    const [identity = '', inMs] = token.split('.');
    return this.rights.has(identity)
      ? { status: 'right', who: { identity, expiresAtMs: clock.wallMs() + Number(inMs) } }
      : { status: 'wrong', why: 'no such token' };
  };

  rightsOf({ identity }: Who): Rights | null {
    return this.rights.get(identity ?? '') ?? null;
  }

  watch(listener: () => void): () => void {
    this.#listeners.push(listener);
    return () => undefined;
  }

  change(name: string, entry: Entry | null): void {
    if (entry === null) this.rights.delete(name);
    else this.rights.set(name, of(name, entry));
    for (const listener of this.#listeners) listener();
  }
}

function of(name: string, entry: Entry): Rights {
  const { roles, participants = [name], clients = [name], calls = [], labels = [] } = entry;
  return {
    name,
    roles: new Set(roles),
    participants: new Patterns(participants),
    clients: new Patterns(clients),
    calls: new Patterns(calls),
    labels: new Patterns(labels),
    lockGroups: new Patterns(entry.lockGroups ?? []),
    sees: entry.sees ?? 'own',
    quotas: entry.quotas ?? {},
  };
}

let clock: ManualClock;
let store: MemoryLogStore;
let access: TestAccess;
let node: LoopNode;
/** What is logged as an error. */
let alarms: unknown[];
const tell = (fields: object): void => {
  alarms.push('event' in fields ? fields.event : fields);
};
beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryLogStore({ requestWindowMs: 120_000 });
  access = new TestAccess();
  alarms = [];
  const logger = { ...silentLogger, error: tell };
  node = await LoopNode.started({}, { node: 'loop', access, clock, store, logger });
});
afterEach(async () => {
  expect(node.faults).toEqual([]);
  await node.stop();
});

type Given = Parameters<LoopNode['peer']>[0];

async function come(
  identity: string | null,
  given: Partial<Given> & { roles: Given['roles'] },
  react?: (message: FromNode, peer: LoopPeer) => void,
): Promise<LoopPeer> {
  const authenticated = identity === null ? null : { identity, expiresAtMs: null };
  const arrival = { authenticated };
  return answered(await node.peer({ name: identity ?? 'nobody', arrival, ...given }, react));
}

/** Whose instance it is, the log says. */
async function answered(peer: LoopPeer): Promise<LoopPeer> {
  for (let turn = 0; turn < 20 && peer.heard.length === 0; turn += 1) await settle();
  return peer;
}

function end(peer: LoopPeer): unknown {
  return peer.heard.find(({ type }) => type === 'error' || type === 'welcome');
}

const welcomed = { type: 'welcome' };
const forbidden = { type: 'error', code: 'FORBIDDEN' };
const pay = { participant: 'payment' };

describe('a hello', () => {
  it('of no identity, or of one that is not in the file, is refused', async () => {
    const unknown = { type: 'error', code: 'UNAUTHENTICATED' };
    expect(end(await come(null, { roles: ['client'] }))).toMatchObject(unknown);
    const stranger = await come('stranger', { roles: ['client'] });
    expect(end(stranger)).toMatchObject(unknown);
    expect(stranger.isOpen).toBe(false);
  });

  it.each<[string, PeerRole[], string]>([
    ['payment', ['operator'], 'payment'],
    ['payment', ['node'], 'payment'],
    ['payment', ['participant', 'client'], 'payment'],
    ['payment', ['participant'], 'stock'],
    ['shop', ['client'], 'bank'],
    ['alice', ['client'], 'alice'],
    ['bob', ['operator'], 'bob'],
    ['bob', ['viewer', 'operator'], 'bob'],
    ['alice', ['viewer'], 'alice'],
  ])('of %s as %j named %s is refused', async (identity, roles, name) => {
    const peer = await come(identity, { roles, name });
    expect(end(peer)).toMatchObject(forbidden);
    expect(peer.isOpen).toBe(false);
  });

  it('is taken with what the file gives', async () => {
    expect(end(await come('payment', { roles: ['participant'] }))).toMatchObject(welcomed);
    expect(end(await come('alice', { roles: ['operator'] }))).toMatchObject(welcomed);
    expect(end(await come('rival', { roles: ['client'], name: 'shop' }))).toMatchObject(welcomed);
  });
});

describe('an instance', () => {
  const roles = ['participant'] as const;

  it('is that of the first identity, also when that one is away, and at another node', async () => {
    const first = await come('payment', { roles, instance: 'p-1' });
    expect(end(first)).toMatchObject(welcomed);
    const other = { roles, name: 'payment', instance: 'p-1' };
    expect(end(await come('payment-too', other))).toMatchObject(forbidden);
    expect(first.isOpen).toBe(true);
    first.drop();
    await settle();
    const impostor = await come('payment-too', other);
    expect(end(impostor)).toMatchObject(forbidden);
    expect(JSON.stringify(impostor.heard)).not.toContain('"payment-');
    const second = await LoopNode.started({}, { node: 'second', access, clock, store });
    const authenticated = { identity: 'payment-too', expiresAtMs: null };
    const there = await answered(await second.peer({ ...other, arrival: { authenticated } }));
    expect(end(there)).toMatchObject(forbidden);
    await second.stop();
    expect(end(await come('payment', { roles, instance: 'p-1' }))).toMatchObject(welcomed);
  });

  it('of a shared resource is that of the first that named the resource', async () => {
    const sharedResource = 'db';
    await come('payment', { roles, instance: 'p-1', sharedResource });
    const sibling = { roles, name: 'payment', instance: 'p-2', sharedResource };
    expect(end(await come('payment-too', sibling))).toMatchObject(forbidden);
    expect(end(await come('payment', sibling))).toMatchObject(welcomed);
  });

  it('of its own another one may have', async () => {
    await come('payment', { roles, instance: 'p-1' });
    const own = await come('payment-too', { roles, name: 'payment', instance: 'p-2' });
    expect(end(own)).toMatchObject(welcomed);
  });

  it("is no longer anyone's once it is retired, and makes room for another", async () => {
    const named = { roles, name: 'payment' };
    const first = await come('payment-too', { ...named, instance: 'p-1' });
    const full = end(await come('payment-too', { ...named, instance: 'p-2' }));
    expect(full).toMatchObject({ code: 'BUSY' });
    expect(full).toMatchObject({ message: expect.stringContaining('"quotas.instances"') });
    const alice = await come('alice', { roles: ['operator'] });
    const which = { participant: 'payment', instance: 'p-1' } as const;
    expect(await alice.ask({ type: 'retire', ...which })).toMatchObject({ type: 'retired' });
    expect(first.isOpen).toBe(false);
    const given = await alice.ask({ type: 'rebind', ...which, identity: 'payment' });
    expect(given).toMatchObject({ code: 'FORBIDDEN' });
    expect(end(await come('payment', { ...named, instance: 'p-1' }))).toMatchObject(forbidden);
    expect(end(await come('payment-too', { ...named, instance: 'p-2' }))).toMatchObject(welcomed);
  });

  it('is ended when an operator gives it to another identity', async () => {
    const first = await come('payment', { roles, instance: 'p-1' });
    const alice = await come('alice', { roles: ['operator'] });
    const rebind = { type: 'rebind', participant: 'payment', instance: 'p-1' } as const;
    expect(await alice.ask({ ...rebind, identity: 'payment-too' })).toMatchObject({
      type: 'rebound',
    });
    expect(first.isOpen).toBe(false);
    expect(end(await come('payment', { roles, instance: 'p-1' }))).toMatchObject(forbidden);
    const heir = { roles, name: 'payment', instance: 'p-1' };
    expect(end(await come('payment-too', heir))).toMatchObject(welcomed);
  });
});

describe('a client', () => {
  let shop: LoopPeer;
  beforeEach(async () => {
    await come('payment', { roles: ['participant'] }, obedient());
    shop = await come('shop', { roles: ['client'] });
  });

  it('does what it may', async () => {
    const message = {
      type: 'transact',
      branches: [pay],
      labels: { order: '1' },
      lockGroup: 'shared/stock-1',
      locks: [{ keys: ['a'] }],
    } as const;
    expect(await shop.ask(message)).toMatchObject({ outcome: 'committed' });
    const own = { ...message, lockGroup: 'its own' };
    expect(await shop.ask(own)).toMatchObject({ outcome: 'committed' });
  });

  it.each<[string, object]>([
    ['calls another participant', { branches: [pay, { participant: 'both', branch: 'b' }] }],
    ['uses another label', { branches: [pay], labels: { order: '1', who: 'me' } }],
    ['uses a lock group that others share', { branches: [pay], lockGroup: 'shared/bank' }],
  ])('that %s is told that it may not', async (_what, given) => {
    expect(await shop.ask({ type: 'transact', ...given } as never)).toMatchObject(forbidden);
    expect(await shop.ask({ type: 'list' })).toMatchObject(forbidden);
  });

  it('enlists only what it may call', async () => {
    const begun = await shop.ask<'begun'>({ type: 'begin' });
    if (begun?.type !== 'begun') throw new Error('not begun');
    const { txid } = begun;
    const enlist = (participant: string): Promise<FromNode | null> =>
      shop.ask({ type: 'enlist', txid, participant });
    expect(await enlist('both')).toMatchObject(forbidden);
    expect(await enlist('payment')).toMatchObject({ type: 'enlisted' });
    expect(await shop.ask({ type: 'commit', txid })).toMatchObject({ outcome: 'committed' });
  });

  it('of another identity sees nothing of its transactions, though it has its name and instance', async () => {
    const rival = await come('rival', { roles: ['client'], name: 'shop', instance: 'shop-1' });
    const begun = await shop.ask<'begun'>({ type: 'begin' });
    if (begun?.type !== 'begun') throw new Error('not begun');
    const { txid } = begun;
    for (const message of [
      { type: 'status', txid },
      { type: 'commit', txid },
      { type: 'rollback', txid },
      { type: 'enlist', txid, participant: 'payment' },
    ] as const) {
      expect(await rival.ask(message)).toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
    }
    const auditor = await come('auditor', { roles: ['client'] });
    expect(await auditor.ask({ type: 'status', txid })).toMatchObject({ state: 'PENDING' });
    expect(await auditor.ask({ type: 'rollback', txid })).toMatchObject({ outcome: 'aborted' });
  });
});

describe('an abort that is to be forced by a node which does not lead', () => {
  let other: LoopNode;
  let dialer: LoopDialer;
  let txid: string;
  let shop: LoopPeer;
  beforeEach(async () => {
    dialer = new LoopDialer(node, 'n2');
    other = await LoopNode.started({}, { node: 'n2', access, clock, store, dialer });
    await clock.advance(100);
    await come('payment', { roles: ['participant'] });
    shop = await come('shop', { roles: ['client'] });
    const begun = await shop.ask<'begun'>({ type: 'begin' });
    if (begun?.type !== 'begun') throw new Error('not begun');
    txid = begun.txid;
    await shop.ask({ type: 'enlist', txid, participant: 'payment' });
  });
  afterEach(async () => {
    expect(other.faults).toEqual([]);
    await other.stop();
  });

  const asked = async (identity: string, ask: object): Promise<FromNode | null> => {
    const authenticated = { identity, expiresAtMs: null };
    const role = identity === 'alice' ? 'operator' : 'participant';
    const instance = `${identity}-at-n2`;
    const given = { name: identity, instance, roles: [role] as const, arrival: { authenticated } };
    const peer = await answered(await other.peer(given));
    const reply = peer.ask({ type: 'resolve', ...ask } as never);
    // Beyond the patience with a leader that says nothing.
    if (dialer.isSilent) await clock.advance(250);
    return reply;
  };
  const records = async () => (await other.node.given.log.read(txid as never)).record;

  it('is refused to who has no branch of it, as if there were none, and nothing is written', async () => {
    const stranger = await asked('both', { txid });
    expect(stranger).toMatchObject({ type: 'error', code: 'UNKNOWN_TRANSACTION' });
    const { id: _id, ...atLeader } = (await (
      await come('both', { roles: ['participant'], instance: 'b-2' })
    ).ask({ type: 'resolve', txid } as never)) as { id: number };
    expect(stranger).toMatchObject({ message: (atLeader as { message?: string }).message });
    expect(await records()).toBe(null);
    expect(await shop.ask({ type: 'status', txid } as never)).toMatchObject({ state: 'PENDING' });
  });

  it.each(['payment', 'alice'])(
    'is done for who has one, or may see all (%s)',
    async (identity) => {
      expect(await asked(identity, { txid })).toMatchObject({
        decision: 'abort',
        source: 'forced',
      });
      expect(await records()).toMatchObject({ outcome: 'abort' });
    },
  );

  it('is done for every participant where the leader stands still: a doubt must end', async () => {
    dialer.isSilent = true;
    expect(await asked('both', { txid })).toMatchObject({ decision: 'abort', source: 'forced' });
  });

  it('that the leader knows to be over is told as it is', async () => {
    await shop.ask({ type: 'rollback', txid } as never);
    expect(await asked('payment', { txid })).toMatchObject({ decision: 'abort' });
    expect(await asked('both', { txid })).toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
  });
});

describe('a viewer', () => {
  let other: LoopNode;
  let viewer: LoopPeer;
  let txid: string;
  beforeEach(async () => {
    // To n2, which leads nothing: the question comes to where the transaction is.
    const dialer = new LoopDialer(node, 'n2');
    other = await LoopNode.started({}, { node: 'n2', access, clock, store, dialer });
    await clock.advance(100);
    const shop = await come('shop', { roles: ['client'] });
    const begun = await shop.ask<'begun'>({ type: 'begin' });
    if (begun?.type !== 'begun') throw new Error('not begun');
    txid = begun.txid;
    const arrival = { authenticated: { identity: 'bob', expiresAtMs: null } };
    viewer = await answered(await other.peer({ name: 'bob', roles: ['viewer'], arrival }));
  });
  afterEach(async () => {
    expect(other.faults).toEqual([]);
    await other.stop();
  });

  it("sees everyone's transactions, locks and the nodes", async () => {
    const bob = await come('bob', { roles: ['viewer'] });
    expect(await bob.ask({ type: 'info' })).toMatchObject({ type: 'info', node: 'loop' });
    expect(await bob.ask({ type: 'config' })).toMatchObject({ type: 'config' });
    expect(await bob.ask({ type: 'locks' })).toMatchObject({ type: 'locks' });
    expect(await bob.ask({ type: 'list' })).toMatchObject({ transactions: [{ txid }] });
    expect(await bob.ask({ type: 'status', txid } as never)).toMatchObject({ state: 'PENDING' });
  });

  it('does nothing', async () => {
    const bob = await come('bob', { roles: ['viewer'] });
    const actions = [
      { type: 'recover' },
      { type: 'resolve', txid },
      { type: 'rollback', txid },
      { type: 'retire', participant: 'payment', instance: 'p-1' },
      { type: 'rebind', participant: 'payment', instance: 'p-1', identity: 'bob' },
      { type: 'query', txid, inDoubt: false },
      { type: 'begin' },
    ];
    for (const action of actions) expect(await bob.ask(action as never)).toMatchObject(forbidden);
    expect(await bob.ask({ type: 'list' })).toMatchObject({
      transactions: [{ txid, state: 'PENDING' }],
    });
  });

  it('ends no transaction of others by the other roles that it has', async () => {
    for (const [type, role] of [
      ['rollback', 'client'],
      ['resolve', 'participant'],
      ['query', 'participant'],
    ] as const) {
      const desk = await come('desk', { roles: ['viewer', role] });
      const more = type === 'query' ? { inDoubt: false } : {};
      expect(await desk.ask({ type, txid, ...more } as never), type).toMatchObject({
        code: 'UNKNOWN_TRANSACTION',
      });
      expect(await desk.ask({ type: 'status', txid } as never)).toMatchObject({ state: 'PENDING' });
    }
  });

  it('is answered by another node through the one that it speaks to', async () => {
    expect(await viewer.ask({ type: 'list' })).toMatchObject({ transactions: [] });
    expect(await viewer.ask({ type: 'list', at: 'loop' })).toMatchObject({
      transactions: [{ txid }],
    });
    expect(await viewer.ask({ type: 'info', at: 'loop' })).toMatchObject({ node: 'loop' });
    expect(await viewer.ask({ type: 'info', at: 'n2' })).toMatchObject({ node: 'n2' });
    expect(await viewer.ask({ type: 'locks', at: 'loop' })).toMatchObject({ locks: [] });
    expect(await viewer.ask({ type: 'stats', at: 'loop' } as never)).toMatchObject({
      node: 'loop',
    });
  });

  it.each([
    ['list', { at: 'loop' }],
    ['explain', {}],
  ] as const)('that asks for %s without end leaves an operator room', async (type, more) => {
    const arrival = { authenticated: { identity: 'alice', expiresAtMs: null } };
    const alice = await answered(await other.peer({ name: 'alice', roles: ['operator'], arrival }));
    for (let id = 1_000; id < 1_100; id += 1) viewer.send({ type, id, txid, ...more });
    const reply = await alice.ask({ type, txid, ...more } as never);
    expect(viewer.answer(1_099)).toMatchObject({ code: 'BUSY' });
    expect(reply).toMatchObject({ type: type === 'list' ? 'list' : 'explained' });
  });

  it('is told where the other node cannot be asked', async () => {
    expect(await viewer.ask({ type: 'info', at: 'gone' })).toMatchObject({ code: 'BUSY' });
    access.change('n2', { roles: ['client'] });
    expect(await viewer.ask({ type: 'info', at: 'loop' })).toMatchObject({ type: 'error' });
  });

  it('may not have a node do things by asking for another one', async () => {
    const resolve = { type: 'resolve', txid, at: 'loop' } as never;
    expect(await viewer.ask(resolve)).toMatchObject(forbidden);
  });
});

it('a report tells nothing of transactions that its sender has no branch of', async () => {
  const silent = await come('payment', { roles: ['participant'] });
  const spy = await come('both', { roles: ['participant'] });
  const shop = await come('shop', { roles: ['client'] });
  shop.send({ type: 'transact', id: 99, branches: [pay], announce: true });
  for (let turn = 0; turn < 20 && !silent.heard.some(({ type }) => type === 'prepare'); turn += 1)
    await settle();
  const prepare = silent.heard.find((message) => message.type === 'prepare');
  if (prepare?.type !== 'prepare') throw new Error('not prepared');
  const { txid, witness } = prepare;
  const report = { type: 'report', inDoubt: [{ txid, witness }], kept: [] } as const;
  expect(await spy.ask(report)).toMatchObject({ type: 'reported' });
  expect(spy.heard.filter(({ type }) => type === 'decision')).toEqual([]);
  silent.send({ type: 'vote', txid, branch: prepare.branch, vote: 'commit' });
  for (let turn = 0; turn < 20; turn += 1) await settle();
  await spy.ask(report);
  expect(spy.heard.filter(({ type }) => type === 'decision')).toEqual([]);
  await silent.ask(report);
  expect(silent.heard.some(({ type }) => type === 'commit' || type === 'decision')).toBe(true);
});

it.each(['committed', 'aborted'])(
  'a report of a kept commit tells nothing of what is %s, and alarms no one, where its sender has no branch of it',
  async (outcome) => {
    const vote = outcome === 'committed' ? 'commit' : 'abort';
    const payment = await come('payment', { roles: ['participant'] }, (message, peer) => {
      if (message.type !== 'prepare') return obedient()(message, peer);
      const { txid, branch } = message;
      peer.send({ type: 'vote', txid, branch, vote });
    });
    const spy = await come('both', { roles: ['participant'] });
    const shop = await come('shop', { roles: ['client'] });
    const ended = await shop.ask<'outcome'>({ type: 'transact', branches: [pay] });
    if (ended?.type !== 'outcome') throw new Error('not ended');
    expect(ended.outcome).toBe(outcome);
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(10);
    const { txid } = ended;
    const kept = { type: 'report', inDoubt: [], kept: [txid] } as const;
    const before = spy.heard.length;
    await spy.ask(kept);
    expect(spy.heard.slice(before)).toMatchObject([{ type: 'reported' }]);
    expect(alarms).toEqual([]);
    await payment.ask(kept);
    const forgets = payment.heard.filter(({ type }) => type === 'forget');
    if (outcome === 'committed') expect(forgets).not.toEqual([]);
    else expect(alarms).toEqual(['commit-without-record']);
  },
);

it('who sees all as a client does not as a participant', async () => {
  await come('payment', { roles: ['participant'] }, obedient());
  const shop = await come('shop', { roles: ['client'] });
  const begun = await shop.ask<'begun'>({ type: 'begin' });
  if (begun?.type !== 'begun') throw new Error('not begun');
  const { txid } = begun;
  access.change('both', { roles: ['participant'], sees: 'all' });
  const rogue = await come('both', { roles: ['participant'] });
  for (const message of [
    { type: 'status', txid },
    { type: 'query', txid, inDoubt: false },
    { type: 'resolve', txid },
  ] as const) {
    expect(await rogue.ask(message as never)).toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
  }
});

it('who sees all may roll back what is another one’s, and neither commit it nor add to it', async () => {
  await come('payment', { roles: ['participant'] }, obedient());
  const shop = await come('shop', { roles: ['client'] });
  access.change('auditor', { roles: ['client'], sees: 'all', calls: ['*'] });
  const auditor = await come('auditor', { roles: ['client'] });
  const begun = await shop.ask<'begun'>({ type: 'begin' });
  if (begun?.type !== 'begun') throw new Error('not begun');
  const { txid } = begun;
  for (const message of [
    { type: 'commit', txid },
    { type: 'enlist', txid, participant: 'payment' },
    { type: 'lock', txid, keys: ['a'], mode: 'exclusive' },
  ] as const) {
    expect(await auditor.ask(message as never)).toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
  }
  expect(await auditor.ask({ type: 'rollback', txid })).toMatchObject({ outcome: 'aborted' });
});

describe('a quota', () => {
  beforeEach(() => come('payment', { roles: ['participant'] }, obedient()));
  const busy = { type: 'error', code: 'BUSY' };
  const limited = async (quotas: Quotas, given: Partial<Given> = {}): Promise<LoopPeer> => {
    access.change('shop', { roles: ['client'], calls: ['*'], quotas });
    return come('shop', { roles: ['client'], ...given });
  };

  it('of connections counts those that are open', async () => {
    const first = await limited({ connections: 1 });
    expect(end(await come('shop', { roles: ['client'] }))).toMatchObject(busy);
    first.drop();
    await settle();
    expect(end(await come('shop', { roles: ['client'] }))).toMatchObject(welcomed);
  });

  it('of connections lets a participant back in while its last one is half-open', async () => {
    access.change('payment', { roles: ['participant'], quotas: { connections: 1 } });
    const back = await come('payment', { roles: ['participant'] }, obedient());
    expect(end(back)).toMatchObject(welcomed);
    const other = { roles: ['participant'], instance: 'payment-2' } as const;
    expect(end(await come('payment', other))).toMatchObject(busy);
    expect(end(await come('payment', { roles: ['participant'] }))).toMatchObject(welcomed);
  });

  it('of transactions holds over connections and addresses, and spares others', async () => {
    const shop = await limited({ transactions: 2 });
    const arrival = { authenticated: { identity: 'shop', expiresAtMs: null } };
    const elsewhere = await node.peer({
      name: 'shop',
      instance: 'shop-2',
      roles: ['client'],
      arrival: { ...arrival, remoteAddress: 'elsewhere' },
    });
    const begun = await shop.ask<'begun'>({ type: 'begin' });
    expect(await elsewhere.ask({ type: 'begin' })).toMatchObject({ type: 'begun' });
    expect(await shop.ask({ type: 'begin' })).toMatchObject(busy);
    expect(await elsewhere.ask({ type: 'begin' })).toMatchObject(busy);
    const rival = await come('rival', { roles: ['client'], name: 'shop' });
    expect(await rival.ask({ type: 'begin' })).toMatchObject({ type: 'begun' });
    if (begun?.type !== 'begun') throw new Error('not begun');
    await shop.ask({ type: 'rollback', txid: begun.txid });
    expect(await shop.ask({ type: 'begin' })).toMatchObject({ type: 'begun' });
  });

  it.each<[keyof Quotas, object]>([
    ['transactions', { type: 'begin' }],
    ['requestIds', { type: 'transact', requestId: 'r', branches: [{ participant: 'payment' }] }],
    [
      'locks',
      { type: 'transact', locks: [{ keys: ['a'] }], branches: [{ participant: 'payment' }] },
    ],
  ])('of 0 %s is named to whom it refuses, and in logs', async (quota, request) => {
    const shop = await limited({ [quota]: 0 });
    const reply = await shop.ask(request as never);
    const message = expect.stringMatching(`quota of 0 .*"quotas\\.${quota}" in the access file`);
    expect(reply).toMatchObject({ ...busy, message });
    const { message: text } = reply as unknown as { readonly message: string };
    expect(unquoted(text)).toBe(text);
  });

  it('of locks counts what is held and waited for, until it is let go', async () => {
    const shop = await limited({ locks: 2 });
    const take = async (keys: string[]): Promise<{ txid: string; reply: FromNode | null }> => {
      const begun = await shop.ask<'begun'>({ type: 'begin' });
      if (begun?.type !== 'begun') throw new Error('not begun');
      const { txid } = begun;
      const reply = await shop.ask({ type: 'lock', txid, keys, mode: 'exclusive' });
      return { txid, reply };
    };
    const first = await take(['a', 'b']);
    expect(first.reply).toMatchObject({ type: 'locked' });
    expect((await take(['c'])).reply).toMatchObject(busy);
    const again = { type: 'lock', txid: first.txid, keys: ['a'], mode: 'exclusive' } as const;
    expect(await shop.ask(again as never)).toMatchObject({ type: 'locked' });
    await shop.ask({ type: 'rollback', txid: first.txid } as never);
    expect((await take(['c', 'd'])).reply).toMatchObject({ type: 'locked' });
  });

  it('of connections is not passed by participants that come at once', async () => {
    access.change('payment', { roles: ['participant'], quotas: { connections: 2 } });
    const authenticated = { identity: 'payment', expiresAtMs: null };
    const given = { name: 'payment', roles: ['participant'], arrival: { authenticated } } as const;
    const peers = await Promise.all(
      Array.from({ length: 6 }, (_each, index) => node.peer({ ...given, instance: `p-${index}` })),
    );
    await Promise.all(peers.map(answered));
    // One is there from before.
    expect(peers.filter((peer) => peer.isOpen)).toHaveLength(1);
  });

  it('of locks holds for a later attempt, too, which first waits for the log', async () => {
    const shop = await limited({ locks: 2 });
    const replies = await Promise.all(
      Array.from({ length: 4 }, (_each, index) =>
        shop.ask({
          type: 'transact',
          requestId: `r-${index}`,
          attempt: 2,
          locks: [{ keys: [`a-${index}`, `b-${index}`] }],
          branches: [{ participant: 'both' }],
        }),
      ),
    );
    const codes = replies.map((reply) => (reply?.type === 'error' ? reply.code : 'runs'));
    expect(codes.filter((code) => code === 'BUSY')).toHaveLength(3);
  });

  it('of request ids a second is had again later', async () => {
    const shop = await limited({ requestIdsPerSecond: 2 });
    const send = (requestId: string): Promise<FromNode | null> =>
      shop.ask({ type: 'transact', requestId, branches: [pay] });
    expect(await send('1')).toMatchObject({ outcome: 'committed' });
    expect(await send('2')).toMatchObject({ outcome: 'committed' });
    expect(await send('3')).toMatchObject({ ...busy, retryAfterMs: expect.any(Number) });
    await clock.advance(500);
    expect(await send('3')).toMatchObject({ outcome: 'committed' });
  });
});

describe('a change of the access file', () => {
  it('ends who may not be there any more, and no one else', async () => {
    const payment = await come('payment', { roles: ['participant'] });
    const shop = await come('shop', { roles: ['client'] });
    access.change('payment', { roles: ['participant'], participants: ['another'] });
    expect(payment.isOpen).toBe(false);
    expect(shop.isOpen).toBe(true);
    access.change('shop', null);
    expect(shop.isOpen).toBe(false);
  });

  it('takes who may not be there any more from the participants at once', async () => {
    const told: unknown[] = [];
    await come('payment', { roles: ['participant'] }, ({ type }) => told.push(type));
    const shop = await come('shop', { roles: ['client'] });
    expect(node.node.participants.info()).toHaveLength(1);
    access.change('shop', { roles: ['client'], calls: ['*'] });
    access.change('payment', null);
    // Its socket may be half-open, and close much later.
    expect(node.node.participants.info()).toEqual([]);
    shop.send({ type: 'transact', id: 1, branches: [pay] });
    await settle();
    expect(told).toEqual(['welcome', 'error']);
  });

  it('holds for the next message of a connection that stays', async () => {
    await come('payment', { roles: ['participant'] }, obedient());
    const shop = await come('shop', { roles: ['client'] });
    access.change('shop', { roles: ['client'] });
    const message = { type: 'transact', branches: [pay] } as const;
    expect(await shop.ask(message)).toMatchObject(forbidden);
    access.change('shop', { roles: ['client'], calls: ['*'] });
    expect(await shop.ask(message)).toMatchObject({ outcome: 'committed' });
  });
});

describe('a credential that expires', () => {
  const until = (inMs: number): Partial<Given> => ({
    arrival: { authenticated: { identity: 'shop', expiresAtMs: clock.wallMs() + inMs } },
  });

  it('ends its connection, which was told when', async () => {
    const shop = await come('shop', { roles: ['client'], ...until(90_000) });
    expect(end(shop)).toMatchObject({ ...welcomed, expiresInMs: 90_000 });
    await clock.advance(89_999);
    expect(shop.isOpen).toBe(true);
    await clock.advance(1);
    expect(shop.isOpen).toBe(false);
    expect(shop.heard.at(-1)).toMatchObject({ type: 'goaway' });
  });

  it.each([
    ['expired', () => clock.advance(90_000)],
    [
      'could not be renewed by five',
      async (peer: LoopPeer) => {
        for (let time = 0; time < 5; time += 1)
          await peer.ask({ type: 'renew', token: `x${time}` });
      },
    ],
  ])('that %s: its participant is out when it is told', async (_name, over) => {
    access.change('payment', { roles: ['participant'] });
    let here: number | null = null;
    const authenticated = { identity: 'payment', expiresAtMs: clock.wallMs() + 90_000 };
    const payment = await come(
      'payment',
      { roles: ['participant'], arrival: { authenticated } },
      () => {
        here = node.node.participants.info().length;
      },
    );
    expect(here).toBe(1);
    await over(payment);
    expect(payment.isOpen).toBe(false);
    expect(here).toBe(0);
  });

  it('is renewed by one of the same identity, and by no other', async () => {
    const shop = await come('shop', { roles: ['client'], ...until(1_000) });
    const wrong = { type: 'error', code: 'UNAUTHENTICATED' };
    expect(await shop.ask({ type: 'renew', token: 'rival.9000' })).toMatchObject(wrong);
    expect(await shop.ask({ type: 'renew', token: 'x' })).toMatchObject(wrong);
    expect(await shop.ask({ type: 'renew', token: 'shop.2000' })).toMatchObject({
      type: 'renewed',
      expiresInMs: 2_000,
    });
    await clock.advance(1_999);
    expect(shop.isOpen).toBe(true);
    await clock.advance(1);
    expect(shop.isOpen).toBe(false);
  });

  it('is not renewed before a part of its time is over, nor where it has no end', async () => {
    const shop = await come('shop', { roles: ['client'], ...until(10_000) });
    const renew = () => shop.ask({ type: 'renew', token: 'shop.40000' });
    const busy = (retryAfterMs: number) => ({ type: 'error', code: 'BUSY', retryAfterMs });
    expect(await renew()).toMatchObject({ type: 'renewed' });
    expect(await renew()).toMatchObject(busy(10_000));
    await clock.advance(9_999);
    expect(await renew()).toMatchObject(busy(1));
    await clock.advance(1);
    expect(await renew()).toMatchObject({ type: 'renewed', expiresInMs: 40_000 });
    const forever = await come('shop', { roles: ['client'] });
    expect(await forever.ask({ type: 'renew', token: 'shop.9000' })).toMatchObject({
      type: 'error',
      code: 'INVALID_MESSAGE',
    });
  });

  it('that is renewed by what has soon ended is renewed at a pace', async () => {
    const shop = await come('shop', { roles: ['client'], ...until(10_000) });
    const renewed = async (): Promise<number> => {
      let count = 0;
      for (let time = 0; time < 200; time += 1) {
        await clock.advance(10);
        if (!shop.isOpen) break;
        const answer = await shop.ask({ type: 'renew', token: 'shop.20' });
        if (answer?.type === 'renewed') count += 1;
      }
      return count;
    };
    expect(await renewed()).toBeLessThanOrEqual(7);
  });

  it('that cannot be renewed by five is given up', async () => {
    const shop = await come('shop', { roles: ['client'], ...until(90_000) });
    const codes: unknown[] = [];
    for (let time = 0; time < 5; time += 1) {
      expect(shop.isOpen).toBe(true);
      codes.push(await shop.ask({ type: 'renew', token: `x${time}` }));
    }
    expect(codes).toHaveLength(5);
    expect(codes[4]).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(shop.isOpen).toBe(false);
  });
});
