/**
 * Both SDKs in this process, with a node at the other end that says anything at all. They must stay
 * up, keep their promises, and tell the application nothing but results and their own errors.
 */

import { Buffer } from 'node:buffer';
import { type Client, connect } from '../../src/client.ts';
import type { FromNode, ToNode } from '../../src/core/messages.ts';
import { type Epoch, makeEpoch, shardOf, type Txid } from '../../src/core/txid.ts';
import { MemoryJournalStore, openMemoryJournal } from '../../src/journal/memory/journal.ts';
import { type ParticipantHandle, serveParticipant } from '../../src/participant/serve.ts';
import { vote } from '../../src/participant/vote.ts';
import { isVerdictError } from '../../src/peer/verdict-error.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { Random } from '../../src/ports/random.ts';
import { decodeFrame, encodeMessage } from '../../src/wire/codec.ts';
import { widestLimits } from '../../src/wire/limits.ts';
import { readers } from '../../src/wire/readers.ts';
import { makeTxid } from '../support/core/txids.ts';
import { ManualClock, settle } from '../support/samples/manual-clock.ts';
import { leaderInfo, welcomeOf } from '../support/samples/messages.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { type Frame, Frames, type Living } from './frames.ts';
import { LoopDialer } from './loop-dialer.ts';
import type { LoopSocket } from './loop-socket.ts';
import { below, chance, pick } from './values.ts';

const maxCalls = 8;
const callTimeoutMs = 2_000;
/** Few enough that frames meet branches that are really there. */
const maxTxids = 40;

export class SdksUnderFuzz {
  readonly clock: ManualClock = new ManualClock();
  readonly faults: string[] = [];
  /** How calls of the client ended, and what was called of the application. */
  readonly seen: Map<string, number> = new Map();
  readonly #random: Random;
  readonly #frames: Frames;
  readonly #dialers: readonly LoopDialer[];
  readonly #held = new Map<string, 'prepared' | 'committed' | 'rolled back'>();
  #client: Client | null = null;
  #participant: ParticipantHandle | null = null;
  #calls = 0;
  #revision = 1;

  private constructor(random: Random) {
    this.#random = random;
    this.#frames = new Frames({ random, direction: 'from-node', living: () => this.#living() });
    this.#dialers = [this.#dialer(), this.#dialer()];
  }

  static async started(random: Random): Promise<SdksUnderFuzz> {
    const under = new SdksUnderFuzz(random);
    const { clock } = under;
    const [forClient, forParticipant] = under.#dialers as [LoopDialer, LoopDialer];
    const client = connect({
      urls: ['a:7070', 'b:7070'],
      dialer: forClient,
      clock,
      random: seededRandom(11),
    });
    const store = new MemoryJournalStore();
    under.#participant = await serveParticipant({
      logger: silentLogger,
      name: 'inventory',
      urls: ['a:7070', 'b:7070'],
      dialer: forParticipant,
      clock,
      random: seededRandom(12),
      journal: openMemoryJournal({ store, clock, random: seededRandom(13) }),
      options: { patienceMs: 10_000, queryTimeoutMs: 1_000, maxRetryDelayMs: 1_000, workingMs: 0 },
      onFatal: (error) => under.#fault('the participant gave up', error),
      prepare: async (branch) => {
        under.#note('prepare', branch, 'prepared');
        return chance(random, 0.8) ? vote.commit('done') : vote.abort('no');
      },
      commit: async (branch) => under.#note('commit', branch, 'committed'),
      rollback: async (branch) => under.#note('rollback', branch, 'rolled back'),
      inDoubt: async () => [],
    });
    await clock.advance(10);
    under.#client = await client;
    return under;
  }

  get dials(): number {
    return this.#dialers.reduce((sum, { dials }) => sum + dials, 0);
  }

  get sockets(): number {
    return this.#dialers.reduce((sum, { sockets }) => sum + sockets.size, 0);
  }

  /** Each SDK has a connection. */
  async ready(): Promise<void> {
    while (this.#dialers.some(({ sockets }) => sockets.size === 0)) await this.pass(200);
  }

  async next(): Promise<Frame> {
    await this.ready();
    const { frame } = this.#frames.next();
    this.deliver(frame);
    return frame;
  }

  deliver(frame: Frame): void {
    const random = this.#random;
    if (this.#calls < maxCalls) this.#call();
    try {
      pick(random, [...pick(random, this.#dialers).sockets]).deliver(frame);
    } catch (error) {
      this.#fault('a frame broke it', error);
    }
  }

  async pass(byMs: number): Promise<void> {
    await settle();
    await this.clock.advance(byMs);
  }

  async stop(): Promise<void> {
    const stopped = Promise.all([
      this.#client?.close(),
      this.#participant?.close({ timeoutMs: 1_000 }),
    ]);
    await this.clock.advance(30_000);
    await stopped;
  }

  #living(): Living {
    const random = this.#random;
    const txids = Array.from({ length: 4 }, () => this.#txid());
    const branches = txids.map((txid) => ({ txid, branch: `b${below(random, 2)}` }));
    // A newer leader is rare, for it ends all before it.
    if (chance(random, 0.002)) this.#revision += 1;
    return { txids, branches, participants: ['inventory'], epochs: [this.#epoch()] };
  }

  #txid(): Txid {
    const sequence = 1 + below(this.#random, maxTxids);
    return makeTxid({ shard: 0, epoch: this.#epoch(), sequence, random: 'abcdefghijklm' });
  }

  /**
   * Later than that of the samples: whoever believes these believes in this leader all the same.
   */
  #epoch(): Epoch {
    return makeEpoch({ generation: 2, revision: BigInt(this.#revision) });
  }

  #dialer(): LoopDialer {
    return new LoopDialer({
      clock: this.clock,
      answers: (url) => url.startsWith('ws://a') || url.startsWith('ws://b'),
      opened: () => undefined,
      heard: (socket, frame) => this.#heard(socket, frame),
    });
  }

  /** What an SDK says must be right, whatever it was told. */
  #heard(socket: LoopSocket, frame: Frame): void {
    let messages: readonly ToNode[] = [];
    try {
      const data = typeof frame === 'string' ? frame : Buffer.from(frame);
      messages = decodeFrame(data, { readers: readers['to-node'], limits: widestLimits }).flatMap(
        (each) => {
          if (each.ok) return [each.message];
          this.#fault('an SDK sent what is no message', each.problem.message);
          return [];
        },
      );
    } catch (error) {
      this.#fault('an SDK sent what is no frame', error);
    }
    for (const message of messages) {
      this.#count(`sent ${message.type}`);
      const answer = this.#answer(message);
      // After this turn: the connection may not yet be its owner's.
      if (answer !== null && chance(this.#random, 0.9)) {
        queueMicrotask(() => socket.deliver(encodeMessage(answer, 'binary')));
      }
    }
  }

  /**
   * Some things are answered as they should be, or nothing would ever come far enough to be broken.
   */
  #answer(message: ToNode): FromNode | null {
    switch (message.type) {
      case 'hello':
        return this.#welcome();
      case 'report':
        return { type: 'reported', id: message.id };
      case 'query':
      case 'resolve': {
        const { id, txid } = message;
        return { type: 'decision', id, txid, decision: 'abort', source: 'presumed' };
      }
      default:
        return null;
    }
  }

  #welcome(): FromNode {
    const node = pick(this.#random, ['a', 'b']);
    return welcomeOf(node, { leaders: [{ ...leaderInfo('a'), epoch: this.#epoch() }] });
  }

  #call(): void {
    const client = this.#client;
    if (client === null) return;
    this.#calls += 1;
    const branches = [{ participant: 'inventory', payload: {} }];
    const request = chance(this.#random, 0.5)
      ? { branches }
      : { branches, requestId: `r${below(this.#random, 1_000)}` };
    const asked = chance(this.#random, 0.2)
      ? client.status(this.#txid(), { timeoutMs: callTimeoutMs })
      : client.transact(request, { timeoutMs: callTimeoutMs });
    const startedAtMs = this.clock.monotonicMs();
    asked
      .then(
        (value) => this.#count('outcome' in value ? value.outcome : 'status'),
        (error: unknown) => {
          if (isVerdictError(error)) this.#count(error.code);
          else this.#fault('a call threw what is no error of the client', error);
        },
      )
      .finally(() => {
        this.#calls -= 1;
        const tookMs = this.clock.monotonicMs() - startedAtMs;
        if (tookMs > callTimeoutMs + 1_000) this.#fault('a call hung', `${tookMs} ms`);
      });
  }

  /**
   * What the application sees: commits only of what it prepared, and never both ends of one branch.
   */
  #note(
    call: string,
    { txid, branch }: { readonly txid: Txid; readonly branch: string },
    now: 'prepared' | 'committed' | 'rolled back',
  ): void {
    this.#count(`called ${call}`);
    const key = `${txid}/${branch}`;
    const before = this.#held.get(key);
    if (now === 'committed' && before !== 'prepared' && before !== 'committed') {
      this.#fault('I4', `${key} is committed, and was ${before ?? 'never prepared'}`);
    }
    if (now === 'rolled back' && before === 'committed') {
      this.#fault('I4', `${key} is rolled back after its commit`);
    }
    if (now === 'prepared' && before !== undefined) {
      this.#fault('I7', `${key} of shard ${shardOf(txid)} is prepared, and was ${before} before`);
    }
    this.#held.set(key, now);
  }

  #count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  #fault(what: string, why: unknown): void {
    if (this.faults.length >= 20) return;
    this.faults.push(`${what}: ${why instanceof Error ? (why.stack ?? why.message) : String(why)}`);
  }
}
