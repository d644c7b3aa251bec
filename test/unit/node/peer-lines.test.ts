/** How much a peer that was let in can have a node write, to its audit log and to its log. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Patterns } from '../../../src/core/access/patterns.ts';
import type { Rights } from '../../../src/core/access/rights.ts';
import type { PeerRole } from '../../../src/core/messages.ts';
import { PeerBudget } from '../../../src/node/peer-budget.ts';
import { PeerLines } from '../../../src/node/peer-lines.ts';
import { type Access, everyone } from '../../../src/ports/access.ts';
import type { AuditEvent } from '../../../src/ports/audit.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { LoopNode, type LoopPeer } from '../../support/nodes/loop-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

let clock: ManualClock;
let events: AuditEvent[];
let logged: object[];
let node: LoopNode;

const roles = new Set<PeerRole>(['client', 'participant', 'operator']);
const anything = new Patterns(['*']);
const access: Access = {
  ...everyone,
  hasRights: true,
  isOpen: false,
  rightsOf: ({ identity }): Rights => ({
    name: identity ?? '',
    roles,
    participants: anything,
    clients: anything,
    calls: anything,
    labels: anything,
    lockGroups: anything,
    sees: 'own',
    quotas: {},
  }),
};
const audit = {
  write: (event: AuditEvent): void => {
    events.push(event);
  },
  close: async (): Promise<void> => undefined,
};

beforeEach(async () => {
  clock = new ManualClock();
  events = [];
  logged = [];
  const logger = { ...silentLogger, info: (fields: object) => logged.push(fields) };
  node = await LoopNode.started({}, { node: 'loop', access, clock, audit, logger });
});
afterEach(() => node.stop());

async function come(identity: string, role: PeerRole): Promise<LoopPeer> {
  const arrival = { authenticated: { identity, expiresAtMs: null } };
  const peer = await node.peer({ name: identity, roles: [role], arrival });
  for (let turn = 0; turn < 20 && peer.heard.length === 0; turn += 1) await settle();
  expect(peer.heard[0]).toMatchObject({ type: 'welcome' });
  return peer;
}

async function comeAndGo(identity: string, role: PeerRole): Promise<void> {
  (await come(identity, role)).drop();
  await settle();
}

function of(event: AuditEvent['event'], identity: string): AuditEvent[] {
  return events.filter(
    (each) => each.event === event && 'identity' in each && each.identity === identity,
  );
}

describe('a guest that comes and goes', () => {
  it('is written some times and counted from then on; others, and operators, always', async () => {
    const times = 700;
    for (let time = 0; time < times; time += 1) await comeAndGo('guest', 'client');
    const written = of('connection-accepted', 'guest').length;
    expect(written).toBeGreaterThan(400);
    expect(written).toBeLessThan(600);
    expect(of('connection-ended', 'guest')).toHaveLength(written);
    await comeAndGo('shop', 'client');
    expect(of('connection-accepted', 'shop')).toHaveLength(1);
    expect(of('connection-ended', 'shop')).toHaveLength(1);
    await clock.advance(10_000);
    const left = times - written;
    expect(events.find(({ event }) => event === 'peer-lines-left-out')).toEqual({
      event: 'peer-lines-left-out',
      count: 2 * left,
      events: { 'connection-accepted': left, 'connection-ended': left },
      peers: { guest: 2 * left },
    });
  });

  it('silences no other participant in the log of the node', async () => {
    for (let time = 0; time < 300; time += 1) {
      await comeAndGo('guest', 'participant');
      await clock.advance(200);
    }
    const lines = logged.filter(
      (fields) => 'participant' in fields && fields.participant === 'guest',
    );
    // Two each, at two tenths of a second: 200 at once, and one in five seconds.
    expect(lines.length).toBeGreaterThan(200);
    expect(lines.length).toBeLessThan(230);
    await come('shop', 'participant');
    expect(logged.at(-1)).toMatchObject({ participant: 'shop', suppressed: expect.any(Number) });
  });
});

describe('an operator', () => {
  it('is written each time, with what it did', async () => {
    for (let time = 0; time < 600; time += 1) await comeAndGo('alice', 'operator');
    expect(of('connection-accepted', 'alice')).toHaveLength(600);
    expect(of('connection-ended', 'alice')).toHaveLength(600);
    const alice = await come('alice', 'operator');
    for (let time = 0; time < 600; time += 1) await alice.ask({ type: 'recover' });
    expect(of('operator-action', 'alice')).toHaveLength(600);
  });
});

it('all peers together fill the audit log in weeks, not in hours', async () => {
  const written: AuditEvent[] = [];
  const lines = new PeerLines({ ...audit, write: (event) => written.push(event) }, clock);
  const hours = 6;
  for (let second = 0; second < hours * 3_600; second += 1) {
    for (let peer = 0; peer < 3; peer += 1) {
      const identity = `guest-${(second * 3 + peer) % 500}`;
      const who = { connection: 1, identity, address: '10.0.0.1' };
      lines.write({ event: 'credential-renewed', ...who, expiresAtMs: null }, identity);
      if (second % 10 === 0) {
        const txid = '0.0.0.x';
        const forced = {
          event: 'forced-abort',
          ...who,
          txid,
          by: 'resolve',
          recorded: false,
        } as const;
        lines.write(forced, identity);
      }
    }
    clock.jump(1_000);
  }
  const renewals = written.filter(({ event }) => event === 'credential-renewed').length;
  expect(renewals).toBeLessThanOrEqual(5_000 + hours * 1_800 + 1);
  // What the others wrote takes no room from these.
  const forced = written.filter(({ event }) => event === 'forced-abort').length;
  expect(forced).toBe((hours * 3_600 * 3) / 10);
});

it('a budget forgets who was seen first, and the bound of all holds for whoever is forgotten', () => {
  const budget = new PeerBudget({
    clock,
    each: { burst: 2, perSecond: 1 },
    all: { burst: 3_000, perSecond: 1 },
  });
  let taken = 0;
  for (let time = 0; time < 10_000; time += 1) if (budget.take(`10.0.${time}`)) taken += 1;
  expect(taken).toBe(3_000);
  expect(budget.take('10.1.0.0')).toBe(false);
});
