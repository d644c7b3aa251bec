/**
 * A coordinator node in a process of its own, that can die and come back on the same data and port.
 */

import { freePort } from '../../../cluster/launcher/free-ports.ts';
import type { CrashPoint } from '../../../src/coordinator/crash-points.ts';
import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import { RawPeer } from '../network/raw-peer.ts';
import type { TlsFiles } from '../network/security.ts';
import { Child, type Exit, ofBuild, within } from '../process/child.ts';

export interface NodeSettings {
  readonly data: string;
  readonly node?: string;
  readonly advertise?: string;
  /** Where to listen. Default 127.0.0.1. */
  readonly host?: string;
  /** As Child's. */
  readonly through?: readonly string[];
  readonly logLevel?: 'debug' | 'info' | 'warn';
  readonly options?: Partial<CoordinatorOptions>;
  readonly requestWindowMs?: number;
  readonly tokenFile?: string;
  /** Further arguments of the command; later ones go before earlier ones. */
  readonly more?: readonly string[];
  /** What an operator dials it with. */
  readonly operator?: TlsFiles;
  /** Where the node is one of a cluster over etcd. */
  readonly etcd?: NodeEtcdSettings;
  /**
   * A file that may hold the name of the crash point at which the node is to die: for a node that
   * runs already.
   */
  readonly crashFile?: string;
}

export interface NodeEtcdSettings {
  readonly endpoints: readonly string[];
  readonly cluster: string;
  readonly leaseTtlMs?: number;
  readonly shards?: number;
}

/** Short, so that tests are; nothing asserts how long anything took. */
export const quickOptions: Partial<CoordinatorOptions> = {
  transactionTimeoutMs: 4_000,
  participantWaitMs: 2_000,
  ackTimeoutMs: 500,
  retryDelayMs: 20,
  maxRetryDelayMs: 500,
  drainMs: 1_000,
};

/**
 * What a node must never write: a fault that no one caught, or an invariant of the core that broke.
 */
export const alarming: RegExp =
  /uncaught|unhandled|Fatal|invariant|AssertionError|TypeError|RangeError/i;

export class NodeProcess {
  readonly settings: NodeSettings;
  readonly port: number;
  #child: Child | null = null;
  readonly #earlier: string[] = [];

  private constructor(settings: NodeSettings, port: number) {
    this.settings = settings;
    this.port = port;
  }

  /** Picks a port; does not start yet. */
  static async make(settings: NodeSettings): Promise<NodeProcess> {
    return new NodeProcess(settings, await freePort());
  }

  /** The same node, on the same port, with other settings: where they depend on the port. */
  with(settings: NodeSettings): NodeProcess {
    return new NodeProcess(settings, this.port);
  }

  static async started(settings: NodeSettings): Promise<NodeProcess> {
    const node = await NodeProcess.make(settings);
    if (!(await node.start())) throw new Error(`The node did not start:\n${node.output()}`);
    return node;
  }

  get name(): string {
    return this.settings.node ?? 'n1';
  }

  get url(): string {
    return `${this.settings.host ?? '127.0.0.1'}:${this.port}`;
  }

  /** Connected as an operator. */
  asked(timeoutMs?: number): Promise<RawPeer> {
    const hello = { name: 'operator', roles: ['operator'] };
    return RawPeer.greeted(this.url, hello, timeoutMs, this.settings.operator ?? null);
  }

  get child(): Child {
    if (this.#child === null) throw new Error('The node was not started.');
    return this.#child;
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exit === null;
  }

  /**
   * True when it is ready, false when it ended before. `crashAt`: a point, or point:n for its n-th
   * passing. `build`: the root of another version, for this start.
   */
  async start(
    more: {
      readonly crashAt?: CrashPoint | `${CrashPoint}:${number}`;
      readonly build?: string;
    } = {},
  ): Promise<boolean> {
    if (this.running) throw new Error('The node is running.');
    this.#earlier.push(...(this.#child?.lines ?? []));
    this.#child = new Child(ofBuild('bin/verdict.mjs', more.build), {
      args: this.#arguments(),
      through: this.settings.through ?? [],
      env: {
        VERDICT_TEST_CRASH_AT: more.crashAt ?? '',
        VERDICT_TEST_CRASH_FILE: this.settings.crashFile ?? '',
      },
    });
    return (await this.#child.line(/"msg":"Ready\."/)) !== null;
  }

  #arguments(): string[] {
    const {
      data,
      advertise,
      logLevel = 'debug',
      options,
      requestWindowMs,
      tokenFile,
    } = this.settings;
    return [
      ...['serve', '--data', data, '--listen', this.url, '--node', this.name],
      ...['--log-format', 'json', '--log-level', logLevel],
      ...(advertise === undefined ? [] : ['--advertise', advertise]),
      ...(requestWindowMs === undefined ? [] : ['--request-window', String(requestWindowMs)]),
      ...(tokenFile === undefined ? [] : ['--token-file', tokenFile]),
      // On a network that the test made.
      ...(this.settings.host === undefined ? [] : ['--insecure']),
      ...etcdArguments(this.settings.etcd),
      ...(this.settings.more ?? []),
      ...Object.entries(options ?? {}).flatMap(([name, value]) => ['--option', `${name}=${value}`]),
    ];
  }

  async restart(): Promise<void> {
    if (this.running) await this.kill();
    if (!(await this.start())) throw new Error(`The node did not start:\n${this.output()}`);
  }

  kill(): Promise<Exit> {
    return this.child.kill();
  }

  /** Stops it in order. */
  async stop(): Promise<void> {
    if (!this.running) return;
    const exit = await this.child.stop();
    if (exit.code !== 0) {
      throw new Error(`The node ended with ${JSON.stringify(exit)}:\n${this.output()}`);
    }
  }

  died(): Promise<Exit> {
    return within(this.child.exited, 'the node to die');
  }

  /** Lines of this and earlier starts that no node should ever write. */
  alarms(): string[] {
    return [...this.#earlier, ...this.child.lines].filter((line) => alarming.test(line));
  }

  output(): string {
    return this.child.lines.slice(-50).join('\n');
  }
}

function etcdArguments(etcd: NodeEtcdSettings | undefined): string[] {
  if (etcd === undefined) return [];
  const { endpoints, cluster, leaseTtlMs, shards } = etcd;
  return [
    ...['--etcd', endpoints.join(','), '--cluster', cluster],
    ...(leaseTtlMs === undefined ? [] : ['--lease-ttl', String(leaseTtlMs)]),
    ...(shards === undefined ? [] : ['--shards', String(shards)]),
  ];
}
