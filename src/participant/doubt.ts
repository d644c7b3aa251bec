/**
 * How doubt ends: the shard's leader is queried; where it cannot be reached, or does not answer in
 * time, any other node is made to resolve, one after the other.
 *
 * While the leader itself answers `undecided` the branch waits: the leader's time-outs bound that,
 * and forcing would kill a transaction that is merely slow. A lone node is queried again. Where no
 * node answers, the decision log itself is read, if this participant was given access to it.
 */
import { backoffMs } from '../core/backoff.ts';
import type { DecisionMessage } from '../core/messages.ts';
import { shardOf } from '../core/txid.ts';
import { pauseOrAbort } from '../system/pause.ts';
import type { ParticipantContext } from './context.ts';
import type { DirectLog, DirectQuestion } from './direct-log.ts';
import { Gate } from './gate.ts';
import type { Session, Sessions } from './sessions.ts';

export interface DoubtOptions extends ParticipantContext {
  readonly sessions: Sessions;
  readonly directLog: () => DirectLog | null;
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

export class Doubt<Key extends object> {
  readonly #given: DoubtOptions;
  readonly #queries = new Map<Key, AbortController>();
  readonly #gate = new Gate(maxQuestions);
  /** Which of the other nodes is next. */
  #turn = 0;

  constructor(given: DoubtOptions) {
    this.#given = given;
  }

  stop(key: Key): void {
    this.#queries.get(key)?.abort();
    this.#queries.delete(key);
  }

  /** Asks until there is an answer, or `stop`. */
  query(key: Key, question: DirectQuestion, answered: (decision: Answered) => void): void {
    if (this.#queries.has(key)) return;
    const controller = new AbortController();
    this.#queries.set(key, controller);
    void this.#gate
      .run(() => this.#ask(question, controller.signal))
      .then((decision) => {
        if (decision === null) return;
        this.#queries.delete(key);
        answered(decision);
      });
  }

  close(): void {
    for (const controller of this.#queries.values()) controller.abort();
    this.#queries.clear();
  }

  async #ask(question: DirectQuestion, signal: AbortSignal): Promise<Answered | null> {
    const { clock, random, options, sessions, directLog } = this.#given;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
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
      const silence = pauseOrAbort(this.#given.clock, silenceMs - hedgeMs, over);
      first = await Promise.race([fromLeader, silence.then(() => null)]);
    } else {
      first ??= await fromLeader;
    }
    answered.abort();
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
