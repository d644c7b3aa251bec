/**
 * Messages that are published if and only if their transaction commits.
 *
 *     (nothing) - prepare -> prepared, on disk - commit -> queued, on disk - publish -> (nothing)
 *         ^                        |
 *         +------- rollback -------+
 *
 * One step on disk ends a committed branch and queues its messages: they are queued once, however
 * often the commit is repeated. Each is then published at least once, in the order of the commits:
 * a crash between publication and note repeats the message, with the same id.
 */
import { checkFields, type Fields } from '../../core/fields.ts';
import { isAbort, vote } from '../../participant/vote.ts';
import type { EncryptionKeys } from '../../ports/cipher.ts';
import type { Clock } from '../../ports/clock.ts';
import { type Logger, silentLogger, userLogger } from '../../ports/logger.ts';
import type { Random } from '../../ports/random.ts';
import type {
  AbortVote,
  BranchRef,
  PrepareCall,
  PrepareResult,
  Resource,
} from '../../ports/resource.ts';
import type { OnFatal } from '../../store/lmdb.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { sendable } from '../../wire/sendable.ts';
import { BranchStore, branchText, checkPlace } from '../branch-store.ts';
import { type Publish, Publisher } from './publisher.ts';
import {
  countOf,
  enqueue,
  outboxContents,
  outboxFile,
  outboxHeader,
  type PreparedMessages,
} from './queue.ts';

/** What `openOutbox` takes. */
export interface OutboxOptions<Body> {
  /** Made where it is missing. It belongs to this outbox alone. */
  readonly dataDirectory: string;
  /** Called for one message at a time. */
  readonly publish: Publish<Body>;
  /**
   * Seals the messages with AES-256-GCM. As for `serveParticipant`. Default: they are kept in
   * clear, in files that only this account can read.
   */
  readonly encryption?: EncryptionKeys | { readonly file: string };
  /** The pause after a failed publication, in milliseconds; doubles, with jitter. Default 100. */
  readonly retryDelayMs?: number;
  /** The longest pause, in milliseconds. Default 30,000. */
  readonly maxRetryDelayMs?: number;
  /**
   * How many messages may wait, those of prepared branches too; past it branches vote `abort`.
   * Default 1,000,000.
   */
  readonly maxQueue?: number;
  /** Default: nothing is logged. Bodies never are. */
  readonly logger?: Logger;
  /**
   * How long a branch's commit is remembered, in milliseconds. Default 3,600,000 (1 h); where
   * another instance committed it, a week at least.
   */
  readonly appliedKeepMs?: number;
  /**
   * Called once, when a write failed: the outbox is dead; end the process and start it again.
   * Default: says why on stderr and ends the process with code 70.
   */
  readonly onFatal?: OnFatal;
  /** @internal Default: the system's. */
  readonly clock?: Clock;
  /** @internal Default: the system's. */
  readonly random?: Random;
}

/** What a client sends as the payload of a branch: plain data, published in this order. */
export interface OutboxPayload {
  /** The bodies, 1 to 10,000. */
  readonly messages: readonly unknown[];
}

/**
 * A service's own rules: the bodies of the branch's messages, or `vote.abort(message)`. An empty
 * list publishes nothing. Anything else, such as `vote.commit()` or nothing, aborts the transaction
 * with a message that says what to return.
 */
export type OutboxRules<Payload, Body> = (
  call: PrepareCall<Payload>,
) => Promise<readonly Body[] | AbortVote> | readonly Body[] | AbortVote;

const maxMessages = 10_000;
const wrongBodies =
  'the rules of an outbox must return a list of message bodies or vote.abort(message)';

const optionFields: Fields<OutboxOptions<never>> = {
  dataDirectory: 'text',
  publish: 'any',
  encryption: 'object',
  retryDelayMs: 'ms',
  maxRetryDelayMs: 'ms',
  maxQueue: 'count',
  logger: 'any',
  appliedKeepMs: 'ms',
  onFatal: 'method',
  clock: 'internal',
  random: 'internal',
};

/** A durable queue of messages that takes part in transactions, made by `openOutbox`. */
export class Outbox<Body = unknown> {
  readonly #disk: BranchStore<PreparedMessages>;
  readonly #publisher: Publisher;
  readonly #maxQueue: number;
  /** How many messages each branch brings that is prepared, or is just being. */
  readonly #promised = new Map<string, number>();
  #promisedCount = 0;

  /** @internal What `openOutbox` calls. */
  static async open<Body>(options: OutboxOptions<Body>): Promise<Outbox<Body>> {
    checkPlace('openOutbox', options);
    checkFields(options, optionFields, 'openOutbox');
    if (options.logger !== undefined) userLogger(options.logger, 'openOutbox');
    if (typeof options.publish !== 'function')
      throw new TypeError('openOutbox needs publish: a function that is given each message.');
    const disk = await BranchStore.open<PreparedMessages>({
      ...options,
      clock: options.clock ?? systemClock,
      file: outboxFile,
      header: outboxHeader,
      contents: outboxContents,
      apply: enqueue,
    });
    return new Outbox(options, disk);
  }

  private constructor(options: OutboxOptions<Body>, disk: BranchStore<PreparedMessages>) {
    const { maxQueue = 1_000_000 } = options;
    const { retryDelayMs = 100, maxRetryDelayMs = 30_000 } = options;
    this.#disk = disk;
    this.#maxQueue = maxQueue;
    for (const branch of disk.allPrepared()) this.#promise(branch, branch.bodies.length);
    this.#publisher = new Publisher({
      publish: options.publish as Publish<never>,
      disk,
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
      logger: userLogger(options.logger ?? silentLogger, 'openOutbox'),
      retryDelayMs,
      maxRetryDelayMs,
    });
    // What was committed before the restart.
    this.#publisher.wake();
  }

  /** The branches that are prepared: on disk, and published by no one yet. */
  inDoubt(): readonly BranchRef[] {
    return this.#disk.refs();
  }

  /** How many messages of committed branches are not known to be published. */
  pending(): number {
    return this.#disk.snapshot(countOf);
  }

  /** For `serveParticipant`: branches whose payload is an `OutboxPayload`. */
  resource(): Resource<unknown, never>;
  /** For `serveParticipant`: branches with rules of their own. */
  resource<Payload>(rules: OutboxRules<Payload, Body>): Resource<Payload, never>;
  resource(rules: OutboxRules<never, unknown> = dataRules): Resource<never, never> {
    return {
      identity: this.#disk.identity,
      prepare: (call) => this.#prepare(call, rules),
      commit: async (branch) => {
        await this.#disk.commit(branch);
        this.#promise(branch, 0);
        this.#publisher.wake();
      },
      rollback: async (branch) => {
        await this.#disk.rollback(branch);
        // It may be another instance's, and stay.
        if (this.#disk.prepared(branch) === null) this.#promise(branch, 0);
      },
      inDoubt: (call) => this.#disk.inDoubt(call?.instance),
    };
  }

  /** Resolves when everything that was committed has been published. */
  idle(): Promise<void> {
    return this.#publisher.idle();
  }

  /** Waits for the publication under way. The next start publishes the rest. */
  async close(): Promise<void> {
    await this.#publisher.close();
    await this.#disk.close();
  }

  async #prepare(
    call: PrepareCall<never>,
    rules: OutboxRules<never, unknown>,
  ): Promise<PrepareResult<never>> {
    if (this.#disk.ownPrepared(call) !== null) return vote.commit();
    const bodies = await rules(call);
    if (isAbort(bodies)) return bodies;
    if (!Array.isArray(bodies)) throw new TypeError(wrongBodies);
    if (bodies.length === 0) return vote.readonly();
    if (bodies.length > maxMessages || bodies.includes(undefined)) {
      return vote.abort(`A branch publishes 1 to ${maxMessages} messages, each with a body.`);
    }
    const waiting = this.pending() + this.#promisedCount;
    if (waiting + bodies.length > this.#maxQueue) {
      return vote.abort(
        `${waiting} messages wait to be published already. Look at their receiver; retry later.`,
        { retryable: true },
      );
    }
    // What the file would keep as something else is a vote to abort that says where it stands.
    const kept = bodies.map((body, index) => sendable(body, `message ${index}`));
    this.#promise(call, kept.length);
    try {
      await this.#disk.prepare(call, { bodies: kept });
    } catch (error) {
      this.#promise(call, 0);
      throw error;
    }
    return vote.commit();
  }

  #promise(branch: BranchRef, count: number): void {
    const key = branchText(branch);
    this.#promisedCount += count - (this.#promised.get(key) ?? 0);
    if (count === 0) this.#promised.delete(key);
    else this.#promised.set(key, count);
  }
}

function dataRules({ payload }: PrepareCall<unknown>): readonly unknown[] | AbortVote {
  const messages = (payload as Partial<OutboxPayload> | null | undefined)?.messages;
  return Array.isArray(messages) ? messages : vote.abort('payload.messages must be a list.');
}
