/**
 * The faults of a chaos run, drawn from the seed. Each is a stretch of time: something breaks, a
 * while passes, it is mended. Several run at once, never two on the same thing.
 */
import type { Random } from '../../src/ports/random.ts';
import type { TestEtcd } from '../support/etcd/etcd.ts';
import type { EtcdMember } from '../support/etcd/etcd-member.ts';
import type { Security } from '../support/network/security.ts';
import type { TcpProxy } from '../support/network/tcp-proxy.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import type { NodeProcess } from '../support/nodes/node-process.ts';
import type { ParticipantProcess } from '../support/participants/participant-process.ts';
import { pause } from '../support/process/child.ts';
import { pick } from './load.ts';

export interface FaultsOptions {
  readonly etcd: TestEtcd;
  readonly cluster: EtcdCluster;
  /** Before each node, for clients and participants. */
  readonly proxies: readonly TcpProxy[];
  /** Identities whose rights may be taken for a while. */
  readonly guests: readonly string[];
  readonly random: Random;
  /** Told of each fault as it begins. */
  readonly began: (text: string) => void;
  /** One at a time, with time between them: what each of them does is to be told apart. */
  readonly calm?: boolean;
  /** Something ended or did not come back that should not have. */
  readonly broken: (text: string) => void;
}

const lanes = 2;
const maxGapMs = 1_500;
const calmGapMs = 8_000;
/** Of the faults, where there is any security. */
const securityShare = 0.1;
/** Nodes look every two seconds. */
const minRightsMs = 2_500;

type Target = NodeProcess | ParticipantProcess | EtcdMember | TcpProxy | Security;

export class Faults {
  readonly #options: FaultsOptions;
  readonly #busy = new Set<Target>();
  readonly #lanes: Promise<void>[] = [];
  #over = false;
  count = 0;

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  start(): void {
    const count = this.#options.calm === true ? 1 : lanes;
    for (let lane = 0; lane < count; lane += 1) this.#lanes.push(this.#lane());
  }

  /** Resolves when everything that was broken is mended. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#lanes);
  }

  async #lane(): Promise<void> {
    const { random, broken, calm = false } = this.#options;
    while (!this.#over) {
      const gapMs = random.fraction() * (calm ? calmGapMs : maxGapMs);
      // In small steps: it may be over meanwhile.
      for (let leftMs = gapMs; leftMs > 0 && !this.#over; leftMs -= maxGapMs)
        await pause(Math.min(leftMs, maxGapMs));
      if (this.#over) return;
      try {
        await this.#one();
      } catch (error) {
        broken(`A fault could not be mended: ${String(error)}`);
        return;
      }
    }
  }

  async #one(): Promise<void> {
    const { cluster, proxies, random } = this.#options;
    const { security } = cluster;
    if (security !== null && random.fraction() < securityShare) {
      await this.#rights(security);
      return;
    }
    const chance = random.fraction();
    const lastMs = Math.floor(200 + random.fraction() ** 2 * 6_000);
    if (chance < 0.25) {
      const leader = pick(await cluster.leaders(), random);
      const node = leader === null ? null : cluster.node(leader.node);
      if (node?.running === true) await this.#process('kill -9 of a leader', node, lastMs, 'kill');
    } else if (chance < 0.35) {
      await this.#process('kill -9 of node', this.#node(), lastMs, 'kill');
    } else if (chance < 0.5) {
      await this.#process('pause of node', this.#node(), lastMs, 'pause');
    } else if (chance < 0.58) {
      await this.#process('clean restart of node', this.#node(), lastMs, 'stop');
    } else if (chance < 0.7) {
      await this.#process('kill -9 of participant', this.#participant(), lastMs, 'kill');
    } else if (chance < 0.76) {
      await this.#process('pause of participant', this.#participant(), lastMs, 'pause');
    } else if (chance < 0.8) {
      await this.#process('clean restart of participant', this.#participant(), lastMs, 'stop');
    } else if (chance < 0.88) {
      await this.#member('kill -9 of etcd', lastMs, 'kill');
    } else if (chance < 0.92) {
      await this.#member('pause of etcd', lastMs, 'pause');
    } else {
      await this.#cut(pick(proxies, random), lastMs);
    }
  }

  #node(): NodeProcess {
    const { cluster, random } = this.#options;
    return pick([...cluster.nodes.values()], random);
  }

  #participant(): ParticipantProcess {
    const { cluster, random } = this.#options;
    return pick([...cluster.participants.values()], random);
  }

  async #process(
    what: string,
    target: NodeProcess | ParticipantProcess,
    lastMs: number,
    how: 'kill' | 'pause' | 'stop',
  ): Promise<void> {
    await this.#alone(`${what} ${target.name} for ${lastMs} ms`, target, async () => {
      const { exit } = target.child;
      if (exit !== null) {
        this.#options.broken(`${target.name} had ended by itself: ${JSON.stringify(exit)}`);
      } else if (how === 'pause') {
        target.child.signal('SIGSTOP');
      } else {
        await target[how]();
      }
      await pause(lastMs);
      if (how === 'pause') target.child.signal('SIGCONT');
      if (!target.running && !(await target.start())) {
        throw new Error(`${target.name} did not start: ${target.child.lines.slice(-5).join('\n')}`);
      }
    });
  }

  async #member(what: string, lastMs: number, how: 'kill' | 'pause'): Promise<void> {
    const { etcd, random } = this.#options;
    const member = pick(etcd.members, random);
    await this.#alone(`${what} ${member.name} for ${lastMs} ms`, member, async () => {
      if (how === 'pause') member.pause();
      else await member.kill();
      await pause(lastMs);
      if (how === 'pause') member.resume();
      else member.launch();
    });
  }

  async #cut(proxy: TcpProxy, lastMs: number): Promise<void> {
    const { random } = this.#options;
    const how = pick(['cut', 'refuse', 'blackhole'] as const, random);
    await this.#alone(`${how} at ${proxy.url} for ${lastMs} ms`, proxy, async () => {
      proxy[how]();
      if (how === 'refuse') proxy.cut();
      await pause(lastMs);
      // What fell into the hole stays there until it is cut.
      if (how === 'blackhole') proxy.cut();
      proxy.heal();
    });
  }

  /** A certificate is renewed; and some identity is no one's for a while. */
  async #rights(security: Security): Promise<void> {
    const { cluster, guests, random } = this.#options;
    const guest = pick(guests, random);
    const lastMs = Math.floor(minRightsMs + random.fraction() ** 2 * 6_000);
    await this.#alone(`no rights for ${guest} for ${lastMs} ms`, security, async () => {
      await security.renewIdentity(guest);
      await security.renewNode(pick([...cluster.nodes.keys()], random));
      security.without([guest]);
      await pause(lastMs);
      security.without([]);
    });
  }

  async #alone(text: string, target: Target, body: () => Promise<void>): Promise<void> {
    if (this.#busy.has(target)) return;
    this.#busy.add(target);
    this.count += 1;
    this.#options.began(text);
    try {
      await body();
    } finally {
      this.#busy.delete(target);
    }
  }
}
