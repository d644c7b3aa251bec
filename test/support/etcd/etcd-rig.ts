/**
 * Nodes' logs on one etcd, in a cluster of their own, and what a test needs to look behind them.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Etcd3, IKeyValue } from 'etcd3';
import { etcd3Client } from '../../../src/decision-log/etcd/client.ts';
import { type EtcdLogOptions, openEtcdLog } from '../../../src/decision-log/etcd/etcd-log.ts';
import { EtcdKeys, type KeyRange } from '../../../src/decision-log/etcd/keys.ts';
import {
  decodeMeta,
  decodeSecret,
  type SecretValue,
} from '../../../src/decision-log/etcd/records.ts';
import type { DecisionLog, Leadership } from '../../../src/ports/decision-log.ts';
import { never, realClock, realRandom, temporaryDirectory } from '../logs/stores.ts';
import { patienceMs } from '../process/slowness.ts';

/** A node asks again after a second. A test asks once, and etcd's disk, or etcd, may be paused. */
export function patientEtcd(endpoint: string): Etcd3 {
  const wallMs = (): number => realClock.wallMs() + patienceMs;
  return etcd3Client({ clock: { ...realClock, wallMs } }, endpoint);
}

export class EtcdRig {
  readonly cluster: string = `test-${randomUUID()}`;
  readonly keys: EtcdKeys = new EtcdKeys(this.cluster);
  readonly fatal: Error[] = [];
  readonly #endpoints: readonly string[];
  readonly #directory = temporaryDirectory();
  readonly #open: DecisionLog[] = [];
  #raw: Etcd3 | null = null;

  constructor(endpoints: readonly string[]) {
    this.#endpoints = endpoints;
  }

  /** A node keeps its state from one opening to the next. */
  options(node: string): EtcdLogOptions {
    return {
      endpoints: this.#endpoints,
      cluster: this.cluster,
      node,
      url: `ws://${node}`,
      stateDirectory: join(this.#directory.path, node),
      clock: realClock,
      random: realRandom,
      onFatal: (error) => this.fatal.push(error),
    };
  }

  async open(node: string, more: Partial<EtcdLogOptions> = {}): Promise<DecisionLog> {
    const log = await openEtcdLog({ ...this.options(node), ...more });
    this.#open.push(log);
    return log;
  }

  /** A leadership taken on evidence, though the leader before lives. */
  async usurp(log: DecisionLog, shard: number, node = 'usurper'): Promise<Leadership> {
    const usurper = await this.open(node);
    const leader = log.leaders()[shard];
    if (leader) usurper.leaderGone(leader);
    return usurper.campaign(shard, { signal: never });
  }

  /** Etcd itself, to look at what was written. */
  get raw(): Etcd3 {
    const [endpoint = ''] = this.#endpoints;
    this.#raw ??= patientEtcd(endpoint);
    return this.#raw;
  }

  /** The key as it is now, read past the log. */
  async look(key: Buffer): Promise<IKeyValue | null> {
    const { kvs } = await this.raw.kv.range({ key });
    return kvs[0] ?? null;
  }

  async clusterId(): Promise<string> {
    return decodeMeta((await this.look(this.keys.meta))?.value ?? Buffer.of()).clusterId;
  }

  /** What nodes alone may read. */
  async secret(): Promise<SecretValue> {
    return decodeSecret((await this.look(this.keys.secret))?.value ?? Buffer.of());
  }

  /**
   * How often each key of the range was ever put, from etcd's own history: nothing may have been
   * compacted.
   */
  async putsOf(range: KeyRange): Promise<ReadonlyMap<string, number>> {
    const { header } = await this.raw.kv.range({ key: range.key });
    const puts = new Map<string, number>();
    const watcher = await this.raw
      .watch()
      .inRange({ start: range.key, end: range.range_end })
      .startRevision('1')
      .only('put')
      .watcher();
    // A key of its own marks the end: its event comes after all that were there before.
    const end = Buffer.concat([range.key, Buffer.from(`end of ${header.revision}`)]);
    await new Promise<void>((resolve, reject) => {
      watcher.on('put', ({ key }) => {
        if (key.equals(end)) resolve();
        else puts.set(key.toString(), (puts.get(key.toString()) ?? 0) + 1);
      });
      watcher.on('error', reject);
      this.raw.kv.put({ key: end, value: Buffer.of() }).catch(reject);
    });
    await watcher.cancel();
    await this.raw.kv.deleteRange({ key: end });
    return puts;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#open.map((log) => log.close()));
    this.#raw?.close();
    this.#directory.remove();
  }
}
