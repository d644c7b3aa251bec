/**
 * The attack on a node, in a process of its own: connections of every role at once. Tells in lines
 * of JSON how far it is, and at the end what it did. Run: attack-entry.ts SETTINGS, one JSON
 * object.
 */
import { type PeerRole, peerRoles, type TransactionStatus } from '../../src/core/messages.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { pause } from '../support/process/child.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { Attacker } from './attacker.ts';
import { Frames } from './frames.ts';
import { Loot } from './loot.ts';
import { SlowLoris } from './slow-loris.ts';

export interface AttackSettings {
  readonly port: number;
  readonly frames: number;
  readonly seed: number;
  /** Good participants: transactions of the attack take them in, too. */
  readonly participants: readonly string[];
}

export interface AttackEnd {
  readonly frames: number;
  readonly connections: number;
  readonly faults: readonly string[];
  /** See Loot. */
  readonly votes: readonly string[];
}

const hostileNames = ['h0', 'h1', 'h2'];
/** Null: says no hello. */
const lanes: readonly (readonly [name: string, roles: readonly PeerRole[]] | null)[] = [
  ['mallory', ['client']],
  ['mallory', ['client']],
  ['h0', ['participant']],
  ['h1', ['participant']],
  ['eve', ['operator']],
  ['sybil', ['node']],
  ['h2', peerRoles],
  null,
];
const spyEveryMs = 20;
const tellEveryMs = 250;

const settings = JSON.parse(process.argv[2] ?? '{}') as AttackSettings;
const url = `127.0.0.1:${settings.port}`;
const loot = new Loot([...settings.participants, ...hostileNames, 'nobody']);
let left = settings.frames;
let over = false;

const attackers = lanes.map((lane, index) => {
  const random = seededRandom(settings.seed + index);
  const hello =
    lane === null ? null : { name: lane[0], instance: `${lane[0]}-${index}`, roles: lane[1] };
  const frames = new Frames({ random, direction: 'to-node', living: () => loot });
  return new Attacker({ url, hello, frames, loot, random });
});
const slow = new SlowLoris(settings.port);
const spying = spy();
const telling = tell();
await Promise.all(attackers.map(attack));
over = true;
await Promise.all([slow.stop(), spying, telling]);
for (const attacker of attackers) attacker.close();
const end: AttackEnd = {
  frames: settings.frames - left,
  connections: slow.connections + attackers.reduce((sum, each) => sum + each.connections, 0),
  faults: attackers.flatMap(({ faults }) => faults),
  votes: [...loot.votes],
};
await say({ end });
process.exit(0);

async function attack(attacker: Attacker): Promise<void> {
  while (left > 0 && attacker.faults.length === 0) {
    const sent = await attacker.batch(left);
    // Not `left -= await`: that would read what is left before the others have taken theirs.
    left -= sent;
  }
}

/** Learns the transactions of others while they are under way, as an operator may. */
async function spy(): Promise<void> {
  const peer = await RawPeer.greeted(url, { name: 'spy', roles: ['operator'] });
  for (let id = 1; !over; id += 1) {
    const reply = await peer.ask({ type: 'list', id, limit: 20 });
    peer.received.length = 0;
    if (reply.type === 'list' && 'transactions' in reply) {
      const all = reply.transactions as readonly TransactionStatus[];
      loot.spied(
        all
          .filter(({ state }) => state === 'PENDING' || state === 'PREPARING')
          .map(({ txid, branches }) => ({ txid, branches: branches.map(({ branch }) => branch) })),
      );
    }
    await pause(spyEveryMs);
  }
  await peer.close();
}

async function tell(): Promise<void> {
  while (!over) {
    await say({ done: settings.frames - left });
    await pause(tellEveryMs);
  }
}

/** Resolves when all of it has left: the last line is longer than a pipe holds. */
function say(what: object): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(`${JSON.stringify(what)}\n`, () => resolve());
  });
}
