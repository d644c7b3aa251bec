/**
 * A whole small system of real processes in one temporary directory: a node, participants, a
 * recording client.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect } from '../../../src/client.ts';
import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import { check, type Run } from '../checks/checker.ts';
import { History } from '../clients/history.ts';
import { readLog } from '../logs/log-contents.ts';
import { RawPeer } from '../network/raw-peer.ts';
import {
  ParticipantProcess,
  type ParticipantProcessSettings,
} from '../participants/participant-process.ts';
import { eventually } from '../process/child.ts';
import { NodeProcess, type NodeSettings, quickOptions } from './node-process.ts';

export interface ClusterSettings {
  readonly participants?: readonly string[];
  readonly options?: Partial<CoordinatorOptions>;
  readonly requestWindowMs?: number;
  readonly participantSettings?: Partial<ParticipantProcessSettings>;
  readonly nodeSettings?: Partial<Pick<NodeSettings, 'through' | 'logLevel'>>;
  /** What participants and client are told to dial; default: the node itself. */
  readonly via?: (node: NodeProcess) => string;
}

export class Cluster {
  readonly directory: string;
  readonly node: NodeProcess;
  readonly participants: Map<string, ParticipantProcess> = new Map();
  readonly history: History = new History();
  readonly #settings: ClusterSettings;
  readonly #clients: Client[] = [];

  private constructor(directory: string, node: NodeProcess, settings: ClusterSettings) {
    this.directory = directory;
    this.node = node;
    this.#settings = settings;
  }

  static async started(settings: ClusterSettings = {}): Promise<Cluster> {
    const directory = await mkdtemp(join(tmpdir(), 'verdict-e2e-'));
    const node = await NodeProcess.started({
      data: join(directory, 'node'),
      options: { ...quickOptions, ...settings.options },
      ...(settings.requestWindowMs === undefined
        ? {}
        : { requestWindowMs: settings.requestWindowMs }),
      ...settings.nodeSettings,
    });
    const cluster = new Cluster(directory, node, settings);
    const names = settings.participants ?? ['a', 'b', 'c'];
    await Promise.all(names.map((name) => cluster.addParticipant(name)));
    return cluster;
  }

  get log(): string {
    return this.node.settings.data;
  }

  participant(name: string): ParticipantProcess {
    const participant = this.participants.get(name);
    if (participant === undefined) throw new Error(`There is no participant ${name}.`);
    return participant;
  }

  async addParticipant(name: string): Promise<ParticipantProcess> {
    const participant = await ParticipantProcess.started({
      name,
      urls: [this.#settings.via?.(this.node) ?? this.node.url],
      data: join(this.directory, name),
      ...this.#settings.participantSettings,
    });
    this.participants.set(name, participant);
    await participant.connected();
    return participant;
  }

  /** Closed with the cluster. */
  async client(url: string = this.node.url): Promise<Client> {
    const client = await connect({ urls: [url], timeoutMs: 20_000 });
    this.#clients.push(client);
    return client;
  }

  /** Waits until nothing is on its way any more, then holds everything against everything. */
  async settled(
    more: Pick<Run, 'answers' | 'retired' | 'requestWindowMs'> = {},
  ): Promise<string[]> {
    let violations: string[] = [];
    try {
      await eventually(
        () => {
          violations = this.check(more);
          return violations.length === 0 ? true : null;
        },
        () => 'the run to settle',
      );
    } catch {
      // What is still wrong is the answer.
    }
    return violations;
  }

  check(more: Pick<Run, 'answers' | 'retired' | 'requestWindowMs'> = {}): string[] {
    const present = [...this.participants.values()].filter(
      ({ name }) => more.retired?.includes(name) !== true,
    );
    return check({
      calls: this.history.calls,
      log: readLog(this.log),
      participants: present.map((participant) => participant.state()),
      ...more,
    });
  }

  /** An operator's connection. */
  operator(): Promise<RawPeer> {
    return RawPeer.greeted(this.node.url, { name: 'operator', roles: ['operator'] });
  }

  /** Ends every process of it. What they leave on disk can still be checked. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all([...this.participants.values()].map((participant) => participant.stop()));
    await this.node.stop();
  }

  async remove(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    const children = [...this.participants.values()].filter(({ running }) => running);
    await Promise.all(children.map((participant) => participant.kill()));
    if (this.node.running) await this.node.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}
