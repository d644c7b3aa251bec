/** A participant and its one node, which is the test. */
import assert from 'node:assert/strict';
import { coordinatorOptionTable } from '../../core/coordinator-options.ts';
import type { FromNode, Prepare, ToNode, Welcome } from '../../core/messages.ts';
import { epochOf, type Txid } from '../../core/txid.ts';
import { MemoryJournalStore, openMemoryJournal } from '../../journal/memory/journal.ts';
import { type ParticipantHandle, serveParticipant } from '../../participant/serve.ts';
import type { Journal } from '../../ports/journal.ts';
import { silentLogger } from '../../ports/logger.ts';
import type { HeldBranch, Resource } from '../../ports/resource.ts';
import type { Connection } from '../../ports/transport.ts';
import { systemRandom } from '../../system/random.ts';
import { realClock, realPause } from '../../system/real-time.ts';
import { newTxid } from '../call.ts';
import { type Accept, inProcessDialer } from '../wire.ts';
import type { ResourceHarness } from './harness.ts';

const branch = 'stock';
const url = 'n1:7070';
const patienceMs = 20_000;

/** A journal's write that never comes to be: its process is killed meanwhile. */
export type StuckWrite = 'vote' | 'committed';

/** The durable part of a journal: it outlives whoever has it open. */
export interface SdkJournal {
  open(): Promise<Journal>;
  /** Ends whoever has it open, as the end of a process does. */
  crash(): Promise<void>;
}

export function memoryJournal(): SdkJournal {
  const store = new MemoryJournalStore();
  return {
    open: async () => openMemoryJournal({ store, clock: realClock, random: systemRandom }),
    crash: async () => store.crash(),
  };
}

export class Sdk {
  readonly harness: ResourceHarness;
  readonly #txids: Txid[] = [];
  #served: Served | null = null;

  constructor(harness: ResourceHarness) {
    this.harness = harness;
  }

  /** From 1; always the same for one number. */
  txid(number: number): Txid {
    while (this.#txids.length < number) this.#txids.push(newTxid());
    return this.#txids[number - 1] as Txid;
  }

  async serve(kept: SdkJournal, stuck: StuckWrite | null = null): Promise<Served> {
    await this.close();
    await kept.crash();
    this.#served = await Served.start(this.harness, await kept.open(), stuck);
    return this.#served;
  }

  async crash(): Promise<void> {
    await this.close();
    await this.harness.crash();
    await this.harness.start();
  }

  async close(): Promise<void> {
    await this.#served?.abandon();
    this.#served = null;
  }

  prepareOf(txid: Txid, key: string, value: string): Prepare {
    return {
      type: 'prepare',
      txid,
      branch,
      epoch: epochOf(txid),
      witness: { generation: 0, revision: '9' },
      timeoutMs: 10_000,
      payload: this.harness.payloadThatWrites({ [key]: value }),
    };
  }

  /** A whole transaction, which somebody who still held the key would refuse. */
  async write(to: Served, txid: Txid, key: string, value: string): Promise<void> {
    await to.ask(this.prepareOf(txid, key, value), 'vote commit');
    await to.ask(commandOf('commit', txid), 'ack commit ok');
    assert.equal(await this.harness.visible(key), value);
  }

  async inDoubt(): Promise<readonly HeldBranch[]> {
    return [...(await this.harness.resource.inDoubt())];
  }
}

export class Served {
  readonly participant: ParticipantHandle;
  readonly #node: ScriptedNode;

  static async start(
    harness: ResourceHarness,
    journal: Journal,
    stuck: StuckWrite | null,
  ): Promise<Served> {
    const node = new ScriptedNode();
    const participant = await serveParticipant({
      logger: silentLogger,
      name: 'inventory',
      urls: [url],
      clock: realClock,
      journal: stuck === null ? journal : stuckAt(journal, stuck),
      dialer: inProcessDialer(() => node.accept),
      // The one of this start: what the participant still asks for after a crash reaches no one.
      resource: harness.resource as Resource,
      onFatal: () => undefined,
    });
    await participant.connected();
    return new Served(participant, node);
  }

  private constructor(participant: ParticipantHandle, node: ScriptedNode) {
    this.participant = participant;
    this.#node = node;
  }

  async tell(message: FromNode): Promise<void> {
    this.#node.send(message);
  }

  /** Resolves with the first answer that reads so; another vote or acknowledgement fails. */
  async ask(message: FromNode, answer: string): Promise<void> {
    const heard = this.#node.heard.length;
    this.#node.send(message);
    const isAnswer = ({ type }: ToNode): boolean => type === 'vote' || type === 'ack';
    const found = await eventually(
      async () => this.#node.heard.slice(heard).find(isAnswer) ?? null,
      () => answer,
    );
    assert.equal(inShort(found), answer);
  }

  async abandon(): Promise<void> {
    this.#node.drop();
    await this.participant.close({ timeoutMs: 1 });
  }
}

class ScriptedNode {
  readonly heard: ToNode[] = [];
  #connection: Connection<FromNode> | null = null;

  readonly accept: Accept = (connection) => {
    this.#connection = connection;
    return {
      message: (message) => {
        if (message.type === 'hello') connection.send(welcome());
        else this.heard.push(message);
      },
      invalid: ({ message }) => {
        throw new Error(message);
      },
      closed: () => undefined,
    };
  };

  send(message: FromNode): void {
    this.#connection?.send(message);
  }

  drop(): void {
    this.#connection?.terminate();
  }
}

export function commandOf(type: 'commit' | 'rollback', txid: Txid): FromNode {
  return { type, txid, branch, epoch: epochOf(txid) };
}

export async function eventually<Found>(
  look: () => Promise<Found | null>,
  what: () => string,
): Promise<Found> {
  const untilMs = realClock.monotonicMs() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (realClock.monotonicMs() > untilMs)
      throw new Error(`Waited ${patienceMs} ms for: ${what()}`);
    await realPause(5);
  }
}

function stuckAt(journal: Journal, kind: StuckWrite): Journal {
  return new Proxy(journal, {
    get: (target, name) => {
      // Nor kept in memory until it is written.
      if (kind === 'vote' && name === 'voteKept') return () => null;
      if (name === kind) return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function inShort(message: ToNode): string {
  if (message.type === 'vote') return `vote ${message.vote}`;
  if (message.type !== 'ack') return message.type;
  return `ack ${message.decision} ${message.ok ? 'ok' : message.error?.code}`;
}

function welcome(): Welcome {
  const { maxFrameBytes, maxDepth, maxBranches, maxRecordBytes } = coordinatorOptionTable;
  return {
    type: 'welcome',
    node: 'n1',
    cluster: 'test',
    clusterId: 'made-by-chance',
    shards: 1,
    leaders: [],
    nodes: [],
    limits: {
      maxFrameBytes: maxFrameBytes.default,
      maxDepth: maxDepth.default,
      maxBranches: maxBranches.default,
      maxRecordBytes: maxRecordBytes.default,
      maxTimeoutMs: 300_000,
      maxLocks: 64,
      maxLockKeyBytes: 256,
      maxLockWaiters: 10_000,
    },
    requestWindowMs: 120_000,
    heartbeatMs: 5_000,
  };
}
