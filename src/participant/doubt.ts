/**
 * How doubt ends: the shard's leader is queried; where it cannot be reached, or does not answer in
 * time, any other node is made to resolve, one after the other.
 *
 * A leader that was sent a report has been asked about all of it, and answers with its commands, in
 * pieces. What is in doubt is left to it for the patience after its last sign of life, an answer or
 * such a command: a hundred thousand questions beside them would only keep it from sending them.
 *
 * While the leader itself answers `undecided` the branch waits: the leader's time-outs bound that,
 * and forcing would kill a transaction that is merely slow. A lone node is queried again. Where no
 * node answers, the decision log itself is read, if this participant was given access to it.
 */
import { backoffMs } from '../core/backoff.ts';
import { Fifo } from '../core/fifo.ts';
import type { DecisionMessage } from '../core/messages.ts';
import { shardOf } from '../core/txid.ts';
import { Wake } from '../peer/delays.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { pauseOrAbort } from '../system/pause.ts';
import type { ParticipantContext } from './context.ts';
import type { DirectLog, DirectQuestion } from './direct-log.ts';
import type { Session, Sessions } from './sessions.ts';

export interface DoubtOptions extends ParticipantContext {
  readonly sessions: Sessions;
  readonly directLog: () => DirectLog | null;
  /** For how long what is in doubt there is left to the leader, which has a report of it. */
  readonly leftToLeaderMs: (shard: number) => number;
}

type Answered = DecisionMessage['decision'];

/** Questions under way at once: thousands of branches may be in doubt after one crash. */
const maxQuestions = 256;
/** A leader that answers at all is quicker; past it another node is asked what is recorded. */
const hedgeMs = 100;
/**
 * Where nothing is recorded another node is made to resolve past this. A slower leader forfeits a
 * transaction that was in doubt for the whole patience, and that no one else could have ended.
 */
const silenceMs = 160;

/** Of a wait. */
const jitter = 0.1;
/** Made once: an abort without a reason makes an exception, with its stack, for each. */
const stopped = new Error('It is answered, or asked no more.');

interface Waiting {
  readonly question: DirectQuestion;
  readonly answered: (decision: Answered) => void;
}

/** Of one shard, in order. */
interface Queue<Key> {
  readonly waiting: Map<Key, Waiting>;
  readonly order: Fifo<Key>;
}

export class Doubt<Key extends object> {
  readonly #given: DoubtOptions;
  readonly #asking = new Map<Key, AbortController>();
  readonly #queues = new Map<number, Queue<Key>>();
  readonly #shards = new Map<Key, number>();
  #wake: Timer | null = null;
  #closed = false;
  /** Which of the other nodes is next. */
  #turn = 0;

  constructor(given: DoubtOptions) {
    this.#given = given;
  }

  stop(key: Key): void {
    this.#asking.get(key)?.abort(stopped);
    const queue = this.#queues.get(this.#shards.get(key) ?? -1);
    queue?.waiting.delete(key);
    queue?.order.delete(key);
    this.#shards.delete(key);
  }

  /** Asks until there is an answer, or `stop`. */
  query(key: Key, question: DirectQuestion, answered: (decision: Answered) => void): void {
    if (this.#shards.has(key) || this.#closed) return;
    this.#shards.set(key, shardOf(question.txid));
    this.#wait(key, { question, answered });
    this.#go();
  }

  /** What leaders are left with may have changed. */
  reconsider(): void {
    this.#wake?.cancel();
    this.#wake = null;
    this.#go();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.cancel();
    for (const controller of this.#asking.values()) controller.abort(stopped);
    this.#queues.clear();
  }

  #wait(key: Key, waiting: Waiting): void {
    const shard = shardOf(waiting.question.txid);
    let queue = this.#queues.get(shard);
    if (queue === undefined) {
      queue = { waiting: new Map(), order: new Fifo() };
      this.#queues.set(shard, queue);
    }
    queue.waiting.set(key, waiting);
    queue.order.add(key);
  }

  #go(): void {
    if (this.#wake !== null || this.#closed) return;
    let wakeMs = Number.POSITIVE_INFINITY;
    for (const [shard, queue] of this.#queues) {
      if (queue.waiting.size === 0) continue;
      const leftMs = this.#given.leftToLeaderMs(shard);
      if (leftMs > 0) wakeMs = Math.min(wakeMs, leftMs);
      else this.#askSome(queue);
    }
    if (wakeMs === Number.POSITIVE_INFINITY) return;
    // With jitter: all participants of a cluster were told of its leader at once.
    const jitterMs = wakeMs * jitter * this.#given.random.fraction();
    this.#wake = this.#given.clock.setTimer(wakeMs + jitterMs, () => this.reconsider());
  }

  #askSome(queue: Queue<Key>): void {
    const { waiting, order } = queue;
    while (this.#asking.size < maxQuestions) {
      const key = order.first();
      const next = key === null ? undefined : waiting.get(key);
      if (key === null || next === undefined) return;
      order.delete(key);
      waiting.delete(key);
      void this.#start(key, next);
    }
  }

  async #start(key: Key, waiting: Waiting): Promise<void> {
    const { question, answered } = waiting;
    const controller = new AbortController();
    this.#asking.set(key, controller);
    const { txid } = question;
    this.#given.logger.info(
      { txid },
      'in doubt for longer than the patience: asking for the outcome',
    );
    const decision = await this.#ask(question, controller.signal);
    if (this.#asking.get(key) === controller) this.#asking.delete(key);
    if (!controller.signal.aborted) {
      if (decision === 'left to the leader') {
        this.#wait(key, waiting);
      } else if (decision !== null) {
        this.#shards.delete(key);
        answered(decision);
      }
    }
    this.#go();
  }

  async #ask(
    question: DirectQuestion,
    signal: AbortSignal,
  ): Promise<Answered | 'left to the leader' | null> {
    const { clock, random, options, sessions, directLog, leftToLeaderMs } = this.#given;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      // One that came while this was waiting for an answer, or for its next attempt.
      if (leftToLeaderMs(shardOf(question.txid)) > 0) return 'left to the leader';
      const leader = sessions.leader(shardOf(question.txid));
      if (leader !== null) {
        const decision = await this.#askLeader(leader, question, signal);
        if (decision !== null) return decision;
      }
      const others = this.#others(leader);
      for (const other of others) {
        if (signal.aborted) break;
        // A lone node may be about to lead: it reads the log, and forces nothing.
        const kind = sessions.nodes.count === 1 ? 'query' : 'resolve';
        const decision = await this.#request(kind, other, question, signal);
        if (decision !== null) return decision;
      }
      if (signal.aborted) break;
      const decision = await directLog()?.ask(question, signal);
      if (decision) return decision;
      if (signal.aborted) break;
      await pauseOrAbort(clock, backoffMs(attempt, options, random.fraction()), signal);
    }
    return null;
  }

  /**
   * Null: no answer. A leader that is cut off refuses nothing; meanwhile another node is asked what
   * is recorded, which forces nothing. Where nothing is, a silent leader is out of reach (8.3).
   */
  async #askLeader(
    leader: Session,
    question: DirectQuestion,
    signal: AbortSignal,
  ): Promise<Answered | null> {
    const answered = new AbortController();
    const over = AbortSignal.any([signal, answered.signal]);
    const fromLeader = this.#request('query', leader, question, over);
    const recorded = this.#askRecorded(leader, question, over);
    let first = await Promise.race([fromLeader, recorded]);
    if (first === 'not recorded') {
      const silence = silent(this.#given.clock, silenceMs - hedgeMs, over);
      first = await Promise.race([fromLeader, silence.then(() => null)]);
    } else {
      first ??= await fromLeader;
    }
    answered.abort(stopped);
    return first;
  }

  /** Null: no one else could be asked, or no one answered. */
  async #askRecorded(
    leader: Session,
    question: DirectQuestion,
    signal: AbortSignal,
  ): Promise<Answered | 'not recorded' | null> {
    const { clock, options } = this.#given;
    await pauseOrAbort(clock, Math.min(hedgeMs, options.queryTimeoutMs), signal);
    const [other] = this.#others(leader);
    if (signal.aborted || other === undefined) return null;
    const decision = await this.#request('query', other, question, signal);
    return decision === 'undecided' ? 'not recorded' : decision;
  }

  /** All but the leader, each time beginning with another one. */
  #others(leader: Session | null): readonly Session[] {
    const others = this.#given.sessions.all().filter((session) => session !== leader);
    this.#turn += 1;
    const first = this.#turn % Math.max(1, others.length);
    return [...others.slice(first), ...others.slice(0, first)];
  }

  /** Null: no answer from this node. */
  async #request(
    type: 'query' | 'resolve',
    session: Session,
    { txid, witness }: DirectQuestion,
    signal: AbortSignal,
  ): Promise<Answered | null> {
    const { options, logger } = this.#given;
    const more = witness === null ? {} : { witness };
    const how = { timeoutMs: options.queryTimeoutMs, signal };
    try {
      const reply: DecisionMessage =
        type === 'query'
          ? await session.link.request({ type, txid, inDoubt: true, ...more }, how)
          : await session.link.request({ type, txid, ...more }, how);
      const { decision, source } = reply;
      logger.info({ txid, decision, source, node: session.node }, `${type} was answered`);
      return decision;
    } catch (error) {
      if (!signal.aborted) logger.warn({ txid, node: session.node, error }, `${type} failed`);
      return null;
    }
  }
}

/**
 * Waits so long by the clock, or until the signal aborts. Longer where this process stood still
 * meanwhile: the leader's answer may lie unread.
 */
async function silent(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = new Wake(clock, 'others', resolve);
  wake.set(clock.monotonicMs() + delayMs);
  const stop = (): void => resolve();
  signal.addEventListener('abort', stop);
  await promise;
  wake.cancel();
  signal.removeEventListener('abort', stop);
}
