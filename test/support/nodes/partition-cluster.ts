/**
 * A cluster of real processes with a wire of its own between any two that speak: etcd, three nodes,
 * participants, clients. Each wire is a fault proxy, and there is no way around it.
 *
 * Nodes advertise the wire that leads from the other nodes to them. Participants and clients are
 * told the same addresses and dial their own wires instead, as if each had a name server of its
 * own.
 */
import type { EtcdPrograms } from '../../../cluster/etcd/find.ts';
import { type Client, connect } from '../../../src/client.ts';
import type { LeaderInfo } from '../../../src/core/messages.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import { readers } from '../../../src/wire/readers.ts';
import type { History } from '../clients/history.ts';
import { SteadyLoad } from '../clients/steady-load.ts';
import { TestEtcd } from '../etcd/etcd.ts';
import { type Address, FaultProxy } from '../network/proxy/proxy.ts';
import { reroutedDialer } from '../network/rerouted-dialer.ts';
import { isSecured, type Secured } from '../network/security.ts';
import {
  EnlistingService,
  type EnlistingServiceSettings,
} from '../participants/enlisting-service.ts';
import type {
  ParticipantProcess,
  ParticipantProcessSettings,
} from '../participants/participant-process.ts';
import { eventually } from '../process/child.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import type { NodeProcess } from './node-process.ts';

export interface PartitionClusterSettings {
  readonly etcd: EtcdPrograms;
  readonly leaseTtlMs?: number;
  /** As the cluster's. */
  readonly secured?: Secured;
  /** What a participant may do beyond the usual. */
  readonly participantSettings?: (
    name: string,
    cluster: { readonly endpoints: readonly string[]; readonly cluster: string },
  ) => Partial<ParticipantProcessSettings>;
}

const nodeNames: readonly string[] = ['n1', 'n2', 'n3'];
const participantNames: readonly string[] = ['a', 'b', 'c'];
const host = '127.0.0.1';
/** Where no one listens. */
const nowhere = `${host}:1`;

export class PartitionCluster {
  readonly nodeNames: readonly string[] = nodeNames;
  readonly participantNames: readonly string[] = participantNames;
  readonly #etcd: TestEtcd;
  readonly #wires: Wires;
  readonly #cluster: EtcdCluster;
  readonly #clients: Client[] = [];

  private constructor(etcd: TestEtcd, wires: Wires, cluster: EtcdCluster) {
    this.#etcd = etcd;
    this.#wires = wires;
    this.#cluster = cluster;
  }

  static async started(settings: PartitionClusterSettings): Promise<PartitionCluster> {
    const etcd = await TestEtcd.start(settings.etcd);
    const { secured = false } = settings;
    const wires = new Wires(isSecured(secured) ? 'byte' : 'message');
    const { endpoints } = etcd;
    try {
      for (const name of nodeNames) {
        await wires.lay(name, 'etcd', { host, port: etcd.member.ports.client }, 'byte');
      }
      const cluster = await EtcdCluster.started({
        etcd,
        ...(settings.leaseTtlMs === undefined ? {} : { leaseTtlMs: settings.leaseTtlMs }),
        nodes: nodeNames,
        participants: participantNames,
        secured,
        identities: { participants: ['service'], clients: ['outside'] },
        endpointsOf: (node) => [`http://${wires.between(node, 'etcd').address}`],
        advertise: async ({ name, port }) => {
          return (await wires.lay('nodes', name, { host, port })).address;
        },
        // Forced aborts are looked for every sixth tick.
        options: { heartbeatMs: 500, maxPingAgeMs: 5_000, tickMs: 500 },
        participantSettings: async (name, own) => ({
          routes: await routes(name, wires, own.nodes),
          tellsDoubts: true,
          ...settings.participantSettings?.(name, { endpoints, cluster: own.name }),
        }),
      });
      const partition = new PartitionCluster(etcd, wires, cluster);
      await partition.connectedToAll();
      return partition;
    } catch (error) {
      wires.close();
      await etcd.dispose();
      throw error;
    }
  }

  get history(): History {
    return this.#cluster.history;
  }

  /**
   * `from`: a node, a participant, a client, or `nodes` for the other nodes. `to`: a node, or
   * `etcd`.
   */
  wire(from: string, to: string): FaultProxy {
    return this.#wires.between(from, to);
  }

  /** All of them, from the given ones to the given ones. */
  wires(froms: readonly string[], tos: readonly string[]): FaultProxy[] {
    return froms.flatMap((from) => tos.map((to) => this.wire(from, to)));
  }

  node(name: string): NodeProcess {
    return this.#cluster.node(name);
  }

  participant(name: string): ParticipantProcess {
    return this.#cluster.participant(name);
  }

  get participants(): readonly ParticipantProcess[] {
    return [...this.#cluster.participants.values()];
  }

  /**
   * Closed with the cluster. It has a wire of its own to every node. `unreachable`: what is
   * advertised leads nowhere.
   */
  async client(
    name: string,
    { unreachable = false }: { readonly unreachable?: boolean } = {},
  ): Promise<Client> {
    const own = await routes(name, this.#wires, this.#cluster.nodes);
    const { tls } = await this.#cluster.tls(name);
    const dead = Object.fromEntries(Object.keys(own).map((address) => [address, nowhere]));
    const client = await connect({
      name,
      urls: unreachable ? Object.values(own) : Object.keys(own),
      dialer: reroutedDialer(
        webSocketDialer({ clock: systemClock, readers: readers['from-node'], tls }),
        unreachable ? dead : own,
      ),
      ...(tls === undefined ? {} : { tls }),
      timeoutMs: 20_000,
    });
    this.#clients.push(client);
    return client;
  }

  /** A service in this process, which enlists itself. It has wires of its own, by its name. */
  async service(
    settings: Pick<EnlistingServiceSettings, 'data' | 'lockLimitMs'>,
  ): Promise<EnlistingService> {
    const own = await routes('service', this.#wires, this.#cluster.nodes);
    const tls = await this.#cluster.tls('service');
    const dialer = reroutedDialer(
      webSocketDialer({ clock: systemClock, readers: readers['from-node'], ...tls }),
      own,
    );
    return EnlistingService.started({ ...settings, urls: Object.keys(own), dialer, ...tls });
  }

  /** Two calls at a time. It has begun to commit when this resolves. */
  async load(client: Client): Promise<SteadyLoad> {
    const { history } = this.#cluster;
    const load = new SteadyLoad({
      history,
      clients: [client],
      participants: participantNames,
      loops: 2,
    });
    await load.moreOk(5);
    return load;
  }

  leader(): Promise<LeaderInfo> {
    return this.#cluster.leader();
  }

  /** Who leads after `before`. */
  nextLeader(before: LeaderInfo): Promise<LeaderInfo> {
    return this.#cluster.leader({ after: before.epoch });
  }

  /** Every participant to every node. */
  async connectedToAll(): Promise<void> {
    await eventually(
      async () => {
        const seen = await Promise.all(nodeNames.map((name) => participantsAt(this.node(name))));
        const all = seen.every((here) => participantNames.every((name) => here.has(name)));
        return all ? true : null;
      },
      () => 'every participant to be connected to every node',
    );
  }

  async heal(): Promise<void> {
    await this.#wires.heal();
  }

  /** As the cluster's: everything held against everything once all is quiet, alarms included. */
  settled(): Promise<string[]> {
    return this.#cluster.settled();
  }

  async remove(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#cluster.remove();
    this.#wires.close();
    await this.#etcd.dispose();
  }
}

class Wires {
  /** By who dials, and whom. */
  readonly #wires = new Map<string, FaultProxy>();
  readonly #unit: 'message' | 'byte';

  /** Before nodes: what is encrypted has no messages to see. */
  constructor(unit: 'message' | 'byte') {
    this.#unit = unit;
  }

  async lay(
    from: string,
    to: string,
    target: Address,
    unit: 'message' | 'byte' = this.#unit,
  ): Promise<FaultProxy> {
    const wire = await FaultProxy.started({ target, unit });
    this.#wires.set(`${from} -> ${to}`, wire);
    return wire;
  }

  between(from: string, to: string): FaultProxy {
    const wire = this.#wires.get(`${from} -> ${to}`);
    if (wire === undefined) throw new Error(`There is no wire from ${from} to ${to}.`);
    return wire;
  }

  async heal(): Promise<void> {
    await Promise.all([...this.#wires.values()].map((wire) => wire.heal()));
  }

  close(): void {
    for (const wire of this.#wires.values()) wire.close();
  }
}

/**
 * Lays wires from a newcomer to every node: what these advertise, and what it is to dial instead.
 */
async function routes(
  from: string,
  wires: Wires,
  nodes: ReadonlyMap<string, NodeProcess>,
): Promise<Record<string, string>> {
  const own: Record<string, string> = {};
  for (const [name, { port }] of nodes) {
    const wire = await wires.lay(from, name, { host, port });
    own[wires.between('nodes', name).address] = wire.address;
  }
  return own;
}

/** By the node's own port: what happens to the wires does not disturb what the test itself asks. */
async function participantsAt(node: NodeProcess): Promise<ReadonlySet<string>> {
  const peer = await node.asked();
  try {
    peer.send({ type: 'info', id: 1 });
    const { participants } = await peer.next('info');
    return new Set(participants.map(({ participant }) => participant));
  } finally {
    peer.socket.terminate();
  }
}
