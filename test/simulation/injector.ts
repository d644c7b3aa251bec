/**
 * Carries the faults of a plan out: those of the moment on the network, the disks and etcd, and
 * those that come now and then.
 */

import type { Txid } from '../../src/core/txid.ts';
import type { ClientMachine } from './actors/client.ts';
import type { Machine } from './actors/machine.ts';
import type { NodeMachine } from './actors/node.ts';
import type { ParticipantMachine } from './actors/participant.ts';
import type { CallFate, EtcdFaults, SimEtcd } from './etcd/server.ts';
import type { FaultName, Faults } from './faults.ts';
import type { Ending } from './plan.ts';
import type { Replacements } from './replacements.ts';
import { SetBack } from './set-back.ts';
import type { Chance } from './world/chance.ts';
import type { Network } from './world/network.ts';
import type { Reach } from './world/reach.ts';
import type { WireFaults } from './world/wire.ts';
import type { World } from './world/world.ts';

export interface Cluster {
  readonly world: World;
  readonly reach: Reach;
  readonly network: Network;
  readonly etcd: SimEtcd;
  readonly nodes: readonly NodeMachine[];
  readonly participants: readonly ParticipantMachine[];
  readonly clients: readonly ClientMachine[];
}

/** How often in a second, at full intensity. */
const perSecond: Readonly<Partial<Record<FaultName, number>>> = {
  'node-crash': 0.6,
  'node-effect-crash': 1,
  'node-stop': 0.4,
  'node-pause': 0.7,
  'node-vanish': 0.3,
  'participant-crash': 1,
  'participant-effect-crash': 2,
  'participant-pause': 0.7,
  'client-crash': 0.4,
  partition: 0.6,
  'one-way': 0.8,
  'etcd-cut': 0.8,
  'etcd-down': 0.4,
  'etcd-leader-change': 1,
  'etcd-full': 0.4,
  'etcd-set-back': 0.3,
  'wall-jump': 1,
  suspend: 0.5,
  'options-differ': 0.4,
  retire: 0.3,
  siblings: 0.5,
  'journal-lost': 0.4,
  'etcd-set-back-at-takeover': 0.5,
  'retire-shared': 0.4,
  'shared-journal': 0.5,
  'store-keeps': 1.5,
  'left-to-sibling': 1,
  'settled-by-hand': 1,
  'etcd-set-back-unattended': 0.5,
};

export class Injector {
  readonly #faults: Faults;
  readonly #world: World;
  readonly #maxAsleepMs: number;
  readonly #replacements: Replacements;
  #over = false;
  readonly #setBack: SetBack;

  /** Told of each fault as it happens, and which transaction it met where it met one. */
  readonly #met: (name: string, txid?: Txid) => void;

  constructor(options: {
    readonly world: World;
    readonly faults: Faults;
    readonly maxAsleepMs: number;
    readonly replacements: Replacements;
    readonly met: (name: string, txid?: Txid) => void;
  }) {
    this.#world = options.world;
    this.#faults = options.faults;
    this.#maxAsleepMs = options.maxAsleepMs;
    this.#replacements = options.replacements;
    this.#setBack = new SetBack({ raised: (cluster) => this.#replacements.retireAgain(cluster) });
    this.#met = options.met;
  }

  intensity(name: FaultName): number {
    return this.#over ? 0 : (this.#faults[name] ?? 0);
  }

  restartMs(chance: Chance): number {
    return this.#over ? chance.between(20, 300) : chance.logarithmic(20, 3_000);
  }

  wireFaults(): WireFaults {
    const chance = this.#world.stream('network');
    const fault = {
      delay: this.#world.stream('message-delay'),
      reset: this.#world.stream('connection-reset'),
      extra: this.#world.stream('message-extra'),
      together: this.#world.stream('read-together'),
    };
    return {
      latencyMs: (message) => {
        const base = chance.logarithmic(0.1, 2);
        const late = fault.delay.happens(this.intensity('message-delay') * 0.15);
        if (!late) return base;
        this.#metBy('message-delay', message);
        return base + fault.delay.logarithmic(3, 3_000);
      },
      breaks: (message) => {
        const breaks = fault.reset.happens(this.intensity('connection-reset') * 0.03);
        if (breaks) this.#metBy('connection-reset', message);
        return breaks;
      },
      waitsForNext: (message) => {
        const waits = fault.together.happens(this.intensity('read-together') * 0.5);
        if (waits) this.#metBy('read-together', message);
        return waits;
      },
      extras: (message) => this.#extras(message as Extra, fault.extra),
    };
  }

  etcdFaults(): EtcdFaults {
    const chance = this.#world.stream('etcd');
    const fates: readonly (readonly [FaultName, CallFate])[] = [
      ['etcd-lost', 'lost'],
      ['etcd-answer-lost', 'answer-lost'],
      ['etcd-refused', 'refused'],
      ['etcd-late', 'late'],
    ];
    const streams = fates.map(([name]) => this.#world.stream(name));
    const slow = this.#world.stream('etcd-slow');
    return {
      latencyMs: () => {
        const base = chance.logarithmic(0.2, 2);
        return slow.happens(this.intensity('etcd-slow') * 0.3)
          ? base + slow.logarithmic(3, 1_500)
          : base;
      },
      fate: (call) => {
        let found: CallFate = 'done';
        for (const [index, [name, fate]] of fates.entries()) {
          if (streams[index]?.happens(this.intensity(name) * 0.2) === true) found = fate;
        }
        if (found !== 'done' && call === 'txn') this.#met(`etcd-${found}`);
        return found;
      },
      lateMs: () => chance.logarithmic(50, 20_000),
      showsAtOnce: () => chance.happens(0.5),
      deafWatch: () => chance.happens(this.intensity('watch-deaf') * 0.7),
      refusesLate: () => this.#world.chance.happens(0.3),
    };
  }

  /** Of one machine's disk. */
  disk(name: string): { flushMs(): number } {
    const chance = this.#world.stream(`disk ${name}`);
    const slow = this.#world.stream(`slow disk ${name}`);
    return {
      flushMs: () =>
        slow.happens(this.intensity('slow-disk') * 0.2)
          ? slow.logarithmic(5, 2_000)
          : chance.logarithmic(0.1, 3),
    };
  }

  /** From now until `untilMs`. */
  start(cluster: Cluster, untilMs: number): void {
    for (const [name, most] of Object.entries(perSecond) as [FaultName, number][]) {
      const intensity = this.intensity(name);
      if (intensity === 0) continue;
      const chance = this.#world.stream(`inject ${name}`);
      const next = (): void => {
        const delayMs = (-Math.log(1 - chance.fraction()) * 1_000) / (most * intensity);
        if (this.#world.nowMs + delayMs > untilMs) return;
        this.#world.after(delayMs, () => {
          this.#happen(name, cluster, chance);
          next();
        });
      };
      next();
    }
  }

  /** No new faults, and none of the old but for what the ending leaves. */
  end(cluster: Cluster, ending: Ending): void {
    this.heal(cluster);
    if (ending === 'whole') return;
    const { nodes, participants, reach } = cluster;
    const chance = this.#world.stream('ending');
    this.#met(`ending ${ending}`);
    if (ending === 'no-node') {
      for (const node of nodes) {
        node.retired = true;
        node.process?.kill();
      }
      return;
    }
    const left = chance.pick(nodes);
    this.#world.note('world', `leaves ${left.name} to the participants`);
    for (const node of nodes) {
      if (node === left) continue;
      for (const { name } of participants) {
        reach.cut(node.name, name);
        reach.cut(name, node.name);
      }
    }
    reach.changed();
  }

  /** Everything is mended; what was down comes up. */
  heal(cluster: Cluster): void {
    this.#over = true;
    this.#world.note('world', 'is healed');
    for (const node of cluster.nodes) {
      // Those that an operator has stopped he starts himself.
      if (!node.retired || this.#setBack.operating) continue;
      node.retired = false;
      node.start();
    }
    const { etcd, reach, network } = cluster;
    etcd.down = false;
    etcd.full = false;
    for (const machine of [...cluster.nodes, ...cluster.participants, ...cluster.clients]) {
      machine.process?.resume();
      machine.process?.doom(0, false);
    }
    reach.mendAll();
    network.reconsider();
  }

  #happen(name: FaultName, cluster: Cluster, chance: Chance): void {
    if (this.#over) return;
    this.#met(name);
    const { etcd, nodes, participants, clients } = cluster;
    // A log that cannot be reached is given up after 5 s, and what was in flight is asked for
    // during 5 more.
    const isLogs = name === 'etcd-cut' || name === 'etcd-down';
    const lastingMs = chance.logarithmic(20, isLogs ? 20_000 : 6_000);
    switch (name) {
      case 'node-crash':
        return chance.pick(nodes).process?.kill();
      case 'participant-crash':
        return chance.pick(participants).process?.kill();
      case 'client-crash':
        return chance.pick(clients).process?.kill();
      case 'node-effect-crash':
        return chance.pick(nodes).process?.doom(chance.whole(1, 40), chance.happens(0.5));
      case 'participant-effect-crash':
        return chance.pick(participants).process?.doom(chance.whole(1, 12), chance.happens(0.5));
      case 'node-stop':
      // An operator changes its options: it starts again with others.
      case 'options-differ':
        return void chance.pick(nodes).stop();
      case 'node-vanish':
        return chance.pick(nodes).vanish();
      case 'node-pause':
        return this.#pause(cluster, chance.pick(nodes), lastingMs);
      case 'participant-pause':
        return this.#pause(cluster, chance.pick(participants), lastingMs);
      case 'suspend': {
        const asleepMs = chance.happens(0.5)
          ? chance.logarithmic(200, this.#maxAsleepMs)
          : chance.between(0.85, 1) * this.#maxAsleepMs;
        const sleeps = (machine: Machine) => this.#suspend(cluster, machine, asleepMs);
        if (chance.happens(0.5)) return sleeps(chance.pick([...nodes, ...participants]));
        // With a request under way: its age is what others believe when it wakes.
        const client = chance.pick(clients);
        const afterMs = chance.logarithmic(0.5, 30);
        client.atNextCall = () => this.#world.after(afterMs, () => sleeps(client));
        return;
      }
      case 'store-keeps': {
        // Between a vote, or its outcome, and the journal.
        const one = chance.pick(participants);
        const effects = chance.whole(1, 12);
        one.atNextVote = () => {
          one.atNextVote = null;
          one.process?.doom(effects, false);
        };
        return;
      }
      case 'siblings':
      case 'journal-lost':
        return this.#replacements.replace(cluster, chance, { loses: name === 'journal-lost' });
      case 'settled-by-hand':
        return this.#replacements.settleByHand(cluster, chance);
      case 'left-to-sibling':
        return this.#replacements.leaveToSibling(cluster, chance);
      case 'shared-journal':
        return this.#replacements.replace(cluster, chance, { loses: false, journal: true });
      case 'retire':
        return this.#replacements.retire(cluster, chance);
      case 'retire-shared':
        return this.#replacements.retireShared(cluster, chance);
      case 'partition':
      case 'one-way':
        return this.#partition(cluster, chance, { oneWay: name === 'one-way', lastingMs });
      case 'etcd-cut': {
        const { name: machine } = chance.pick([...nodes, ...participants]);
        const members = chance.happens(0.5) ? etcd.members : [chance.pick(etcd.members)];
        const ways = chance.pick([[0], [1], [0, 1]]);
        const cuts = members.flatMap((member) =>
          ways.map((way) =>
            way === 0 ? ([machine, member] as const) : ([member, machine] as const),
          ),
        );
        return this.#cut(cluster, cuts, lastingMs);
      }
      case 'etcd-down':
        etcd.down = true;
        this.#world.note('etcd', 'has no majority');
        this.#world.after(lastingMs, () => {
          etcd.down = false;
          this.#world.note('etcd', 'has a majority');
        });
        return;
      case 'etcd-full':
        etcd.full = true;
        this.#world.note('etcd', 'is full');
        this.#world.after(lastingMs, () => {
          etcd.full = false;
          this.#world.note('etcd', 'has space');
        });
        return;
      case 'etcd-set-back':
        return this.#setBack.begin(cluster, chance);
      case 'etcd-set-back-at-takeover':
        return this.#setBack.beginAtTakeover(cluster, chance);
      case 'etcd-set-back-unattended':
        return this.#setBack.beginUnattended(cluster, chance);
      case 'etcd-leader-change':
        this.#world.note('etcd', 'changes its leader');
        return etcd.leases.prolongAll();
      case 'wall-jump':
        return chance
          .pick<Machine>([...nodes, ...participants, ...clients])
          .jumpWall(chance.pick([-1, 1]) * chance.logarithmic(10, 1e7));
      default:
        throw new Error(`Nobody knows how to make ${name} happen.`);
    }
  }

  #pause(cluster: Cluster, machine: Machine, lastingMs: number): void {
    const { process } = machine;
    if (process === null || !process.alive || process.paused) return;
    process.pause();
    cluster.network.reconsider();
    this.#world.after(lastingMs, () => {
      process.resume();
      cluster.network.reconsider();
    });
  }

  /**
   * Its machine sleeps: what is sent to it meanwhile waits with its sender, and is lost when that
   * one gives it up.
   */
  #suspend(cluster: Cluster, machine: Machine, lastingMs: number): void {
    const { process } = machine;
    if (this.#over || process === null || !process.alive || process.paused) return;
    const { nodes, participants, clients, etcd } = cluster;
    const others = [...nodes, ...participants, ...clients]
      .map(({ name }) => name)
      .filter((name) => name !== machine.name);
    this.#world.note(machine.name, 'falls asleep');
    process.suspend();
    const cuts = [...others, ...etcd.members].flatMap((other) => [
      [machine.name, other] as const,
      [other, machine.name] as const,
    ]);
    this.#cut(cluster, cuts, lastingMs);
    // First the network, then the process: it finds the connections as they are by then.
    this.#world.after(lastingMs, () => {
      process.resume();
      cluster.network.reconsider();
    });
  }

  #partition(
    cluster: Cluster,
    chance: Chance,
    options: { readonly oneWay: boolean; readonly lastingMs: number },
  ): void {
    const names = [...cluster.nodes, ...cluster.participants, ...cluster.clients].map(
      ({ name }) => name,
    );
    const side = new Set(names.filter(() => chance.happens(0.4)));
    const cuts: (readonly [string, string])[] = [];
    for (const one of names) {
      for (const other of names) {
        if (!side.has(one) || side.has(other)) continue;
        cuts.push([one, other]);
        if (!options.oneWay) cuts.push([other, one]);
      }
    }
    this.#cut(cluster, cuts, options.lastingMs);
  }

  #cut({ reach }: Cluster, cuts: readonly (readonly [string, string])[], lastingMs: number): void {
    for (const [from, to] of cuts) reach.cut(from, to);
    reach.changed();
    this.#world.after(lastingMs, () => {
      if (this.#over) return;
      for (const [from, to] of cuts) reach.mend(from, to);
      reach.changed();
    });
  }

  #metBy(name: string, message: object | undefined): void {
    const { txid } = (message ?? {}) as { readonly txid?: Txid };
    if (txid !== undefined) this.#met(name, txid);
  }

  /** What the other side gets besides. */
  #extras(message: Extra, chance: Chance): { readonly message: Extra; readonly afterMs: number }[] {
    const found: { readonly message: Extra; readonly afterMs: number }[] = [];
    const repeats = mayRepeat.has(message.type)
      ? message.id === undefined
      : message.requestId !== undefined;
    if (repeats && chance.happens(this.intensity('message-duplicate') * 0.2)) {
      this.#metBy('message-duplicate', message);
      found.push({ message, afterMs: chance.logarithmic(0.1, 3_000) });
    }
    // A broken participant: it votes once more, and otherwise. The first vote is the one that it
    // keeps to.
    if (message.type === 'vote' && chance.happens(this.intensity('equivocate') * 0.4)) {
      this.#metBy('equivocate', message);
      const vote = message.vote === 'commit' ? 'abort' : 'commit';
      const afterMs = chance.pick([0, 0, chance.logarithmic(0.1, 50)]);
      found.push({ message: { ...message, vote }, afterMs });
    }
    return found;
  }

  /** Whether a process that passes this point of its code dies there. */
  diesAt(kind: 'node' | 'participant', point: string, chance: Chance): boolean {
    const dies = chance.happens(this.intensity(`${kind}-point-crash`) * 0.04);
    if (dies) this.#met(`dies at ${point}`);
    return dies;
  }
}

interface Extra {
  readonly type: string;
  readonly vote?: string;
  readonly requestId?: string;
  readonly id?: number;
}

/**
 * Messages of which the protocol says that a second one changes nothing. News are none of them: an
 * old one behind a newer one would undo it, and a connection delivers each once, in order.
 */
const mayRepeat: ReadonlySet<string> = new Set([
  'prepare',
  'commit',
  'rollback',
  'forget',
  'vote',
  'ack',
  'working',
  'decision',
]);
