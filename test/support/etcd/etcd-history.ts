/**
 * Every change that a cluster ever made in etcd, in order. Read from revision 1 at the end of a
 * run, or piece by piece where the run compacts etcd: a piece is read before it is compacted away.
 */
import { Etcd3, type IKeyValue, type IWatchRequest, type IWatchResponse } from 'etcd3';
import type { Pem } from '../../../cluster/secure/installation.ts';
import type { Decision } from '../../../src/core/messages.ts';
import { unscoped } from '../../../src/core/scope.ts';
import { type Epoch, makeEpoch, positionZero, type Txid } from '../../../src/core/txid.ts';
import { EtcdKeys } from '../../../src/decision-log/etcd/keys.ts';
import {
  decodeDecision,
  decodeFinished,
  decodeLeader,
  decodePosition,
  decodeRequest,
} from '../../../src/decision-log/etcd/records.ts';
import type { LogContents, LoggedRecord } from '../logs/log-contents.ts';
import { within } from '../process/child.ts';

export type Area = 'decisions' | 'finished' | 'requests' | 'leader';

/** A key of the log put or deleted. */
export interface Change {
  readonly revision: bigint;
  readonly type: 'put' | 'delete';
  readonly shard: number;
  readonly area: Area;
  /** The txid or request id; empty for the leader key. */
  readonly name: string;
  /** 1 where the key was made by this put. */
  readonly version: number;
  readonly outcome: Decision | null;
  /** Of a record that has one. */
  readonly requestId?: string;
  /** Of a commit under decisions/: who voted commit. */
  readonly branches: readonly { readonly participant: string; readonly branch: string }[];
  /** Of the leader key: the leadership that this put began. */
  readonly epoch: Epoch | null;
}

const pageKeys = 2_000;

interface WatchStream {
  write(request: IWatchRequest): void;
  cancel(): void;
  on(event: 'data', listener: (response: IWatchResponse) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface HistoryAccess {
  readonly endpoints: readonly string[];
  /** An account that may read everything, where etcd has accounts. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** The same by a certificate. */
  readonly tls?: Pem;
}

export class EtcdHistory {
  readonly changes: Change[] = [];
  readonly #cluster: string;
  readonly #access: HistoryAccess;
  /** The next revision to read. */
  #next = 1n;

  constructor(given: HistoryAccess & { readonly cluster: string }) {
    this.#cluster = given.cluster;
    this.#access = given;
  }

  /** What may be compacted: it was read. */
  get readTo(): bigint {
    return this.#next - 1n;
  }

  /**
   * Reads what came since the last time. Every member must be up: any of them may be asked. Writes
   * nothing.
   */
  async read(): Promise<readonly Change[]> {
    const client = connectTo(this.#access);
    try {
      // Whatever made this revision is an event too; the watch has come to its end when it shows
      // it.
      const { header } = await client.kv.range({ key: Buffer.of(0), limit: 1, keys_only: true });
      const until = BigInt(header.revision);
      if (until >= this.#next) await within(this.#watch(client, until), "etcd's history");
      return this.changes;
    } finally {
      client.close();
    }
  }

  async #watch(client: Etcd3, until: bigint): Promise<void> {
    const stream: WatchStream = await client.watchClient.watch();
    const ended = Promise.withResolvers<void>();
    stream.on('error', ended.reject);
    stream.on('end', () => ended.reject(new Error('The watch ended before its time.')));
    stream.on('data', (response) => {
      if (response.canceled) {
        ended.reject(
          new Error(`No history from ${this.#next}: compacted at ${response.compact_revision}.`),
        );
        return;
      }
      for (const { type, kv } of response.events) {
        // What came since the question is the next reading's.
        if (BigInt(kv.mod_revision) <= until) this.#take(type, kv);
      }
      const last = response.events.at(-1);
      if (last !== undefined && BigInt(last.kv.mod_revision) >= until) ended.resolve();
    });
    stream.write({
      create_request: {
        // All keys there are.
        key: Buffer.of(0),
        range_end: Buffer.of(0),
        start_revision: String(this.#next),
      },
    });
    try {
      await ended.promise;
    } finally {
      stream.on('error', () => undefined);
      stream.cancel();
    }
    this.#next = until + 1n;
  }

  #take(type: 'Put' | 'Delete', kv: IKeyValue): void {
    const change = changeOf(this.#cluster, type === 'Put' ? 'put' : 'delete', kv);
    if (change !== null) this.changes.push(change);
  }
}

/** A history may come in one piece, however long. */
function connectTo({ endpoints, auth, tls }: HistoryAccess): Etcd3 {
  return new Etcd3({
    hosts: [...endpoints],
    ...(tls && {
      credentials: { rootCertificate: tls.ca, certChain: tls.cert, privateKey: tls.key },
    }),
    ...(auth === undefined ? {} : { auth: { ...auth } }),
    grpcOptions: { 'grpc.max_receive_message_length': -1 },
  });
}

function changeOf(cluster: string, type: Change['type'], kv: IKeyValue): Change | null {
  const key = kv.key.toString();
  const prefix = `/verdict/${cluster}/shards/`;
  if (!key.startsWith(prefix)) return null;
  const [shard = '', area = '', ...rest] = key.slice(prefix.length).split('/');
  if (!isArea(area)) return null;
  const put = type === 'put';
  const record = put && area === 'decisions' ? decodeDecision(kv.value) : null;
  const finished = put && area === 'finished' ? decodeFinished(kv.value) : null;
  const leader = put && area === 'leader' ? decodeLeader(kv.value) : null;
  const given = record?.requestId ?? finished?.requestId;
  const requestId = given === undefined ? undefined : unscoped(given);
  return {
    revision: BigInt(kv.mod_revision),
    type,
    ...(requestId === undefined ? {} : { requestId }),
    shard: Number.parseInt(shard, 36),
    area,
    name: rest.join('/'),
    version: Number(kv.version),
    outcome: record?.outcome ?? finished?.outcome ?? null,
    branches: record?.branches ?? [],
    epoch:
      leader === null
        ? null
        : makeEpoch({ generation: leader.generation, revision: BigInt(kv.mod_revision) }),
  };
}

function isArea(text: string): text is Area {
  return text === 'decisions' || text === 'finished' || text === 'requests' || text === 'leader';
}

/** What the log holds now. */
export async function readEtcdLog(
  given: HistoryAccess & { readonly cluster: string; readonly shards: number },
): Promise<LogContents> {
  const client = connectTo(given);
  const keys = new EtcdKeys(given.cluster);
  try {
    const records: LoggedRecord[] = [];
    const requests: { requestId: string; txid: Txid }[] = [];
    const floors: LogContents['floors'][number][] = [];
    for (let shard = 0; shard < given.shards; shard += 1) {
      const own = keys.shard(shard);
      // decisions/ first: what moves to finished/ meanwhile is seen twice rather than never.
      for (const { key, value } of await all(client, own.decisions)) {
        const { outcome, requestId } = decodeDecision(value);
        const txid = nameIn(key) as Txid;
        records.push({
          txid,
          outcome,
          area: 'decisions',
          requestId: requestId ?? null,
        });
      }
      for (const { key, value } of await all(client, own.finished)) {
        const { outcome, requestId } = decodeFinished(value);
        const txid = nameIn(key) as Txid;
        records.push({
          txid,
          outcome,
          area: 'finished',
          requestId: requestId ?? null,
        });
      }
      for (const { key, value } of await all(client, own.requests)) {
        const requestId = JSON.parse(nameIn(key)) as string;
        requests.push({ requestId, txid: decodeRequest(value).txid });
      }
      const floor = await client.kv.range({ key: own.floor });
      const [kv] = floor.kvs;
      floors.push(kv === undefined ? positionZero : decodePosition(kv.value));
    }
    return { records, requests, floors };
  } finally {
    client.close();
  }
}

/** Of `/verdict/<cluster>/shards/<shard>/<area>/<name>`. */
function nameIn(key: Buffer): string {
  return key.toString().split('/').slice(6).join('/');
}

async function all(
  client: Etcd3,
  range: { readonly key: Buffer; readonly range_end: Buffer },
): Promise<IKeyValue[]> {
  const found: IKeyValue[] = [];
  let { key } = range;
  for (;;) {
    const { kvs, more } = await client.kv.range({ ...range, key, limit: pageKeys });
    found.push(...kvs);
    const last = kvs.at(-1);
    if (!more || last === undefined) return found;
    key = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
