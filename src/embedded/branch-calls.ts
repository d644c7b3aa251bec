/**
 * One branch: the calls of one participant for one transaction, never two at once.
 *
 *     registered -> preparing -> prepared -> committed
 *         |             |           |
 *         +-------------+-----------+-----> rolled-back
 *
 * The interleavings that matter here:
 * - The transaction is aborted (another's vote, a time-out, a caller's rollback) while `prepare`
 *   still runs. The rollback waits until it has ended: called beside it, it would find nothing, and
 *   the prepare would then hold its locks forever. A late true changes nothing: no one is told of
 *   it, and rollback is called.
 * - A rollback comes before the call of `prepare` was made: it is not made any more. The rollback
 *   is: what the application did between registering and committing is its to undo.
 * - The coordinator sends a command again, because no acknowledgement came in time, while the first
 *   call of it still runs: the one call is enough, and its answer is the acknowledgement.
 * - `prepare` threw: the vote is abort, and the coordinator, which takes a voter of abort for
 *   clean, sends no rollback. So the branch rolls back by itself, with growing pauses.
 */

import { backoffMs } from '../core/backoff.ts';
import { uphold } from '../core/invariants.ts';
import type { Decision, VoteReason } from '../core/messages.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { Txid } from '../core/txid.ts';
import type { Timer } from '../ports/clock.ts';
import { tracing } from '../tracing/tracing.ts';
import { textOf } from './errors.ts';
import type { EmbeddedParticipant } from './participant.ts';
import type { NamedParticipant, ParticipantsOptions } from './participants.ts';
import type { Ended, ParticipantMethod } from './returns.ts';

export type BranchCallsState =
  | 'registered'
  | 'preparing'
  | 'prepared'
  | 'refused'
  | 'committed'
  | 'rolled-back';

export interface BranchCallsOptions extends ParticipantsOptions {
  readonly txid: Txid;
  readonly named: NamedParticipant;
  readonly participant: EmbeddedParticipant;
  /** `prepared`: of an earlier process, taken up from `inDoubt` or by a command. */
  readonly state: 'registered' | 'prepared';
  /** Nothing is left to do for it. */
  readonly ended: () => void;
}

const overStates: readonly BranchCallsState[] = ['committed', 'rolled-back', 'refused'];

export class BranchCalls {
  readonly #given: BranchCallsOptions;
  readonly #signal = new AbortController();
  state: BranchCallsState;
  /** Whether a call of the participant's is under way. */
  running = false;
  #wanted: Decision | null = null;
  /** Retries by itself: no coordinator sends the command again. */
  #alone = false;
  #failures = 0;
  #lastError: string | null = null;
  #timer: Timer | null = null;
  #stopped = false;
  #trace: TraceContext | null = null;

  constructor(given: BranchCallsOptions) {
    this.#given = given;
    this.state = given.state;
  }

  get participant(): EmbeddedParticipant {
    return this.#given.participant;
  }

  /** Voted commit, and no decision is known. */
  get inDoubt(): boolean {
    return this.state === 'prepared' && this.#wanted === null;
  }

  /** What it retries by itself; null where it does not. */
  get alone(): { decision: Decision; attempts: number; lastError: string | null } | null {
    if (!this.#alone || this.#wanted === null) return null;
    const attempts = this.#failures + (this.running ? 1 : 0);
    return { decision: this.#wanted, attempts, lastError: this.#lastError };
  }

  /** What is called for it hangs below that. */
  belongsTo(trace: TraceContext | null): void {
    this.#trace = trace ?? this.#trace;
  }

  prepare(timeoutMs: number, trace: TraceContext | null = null): void {
    this.belongsTo(trace);
    // A repeat: the one call is enough.
    if (this.state !== 'registered') return;
    this.state = 'preparing';
    this.running = true;
    void this.#prepare(timeoutMs).catch(this.#given.onBroken);
  }

  /** `alone`: go on until it is done, for no one will say it again. */
  decide(decision: Decision, how: { alone: boolean } = { alone: false }): void {
    uphold(
      this.#wanted === null || this.#wanted === decision,
      'I2',
      () => `${this.#name()}: ${decision} after ${this.#wanted}`,
    );
    if (overStates.includes(this.state)) {
      const done = this.state === 'committed' ? 'commit' : 'abort';
      uphold(
        done === decision,
        'I1',
        () => `${this.#name()}: ${decision}, but it is ${this.state}`,
      );
      this.#acknowledge(decision, null);
      return;
    }
    uphold(
      decision === 'abort' || this.state === 'prepared',
      'I3',
      () => `${this.#name()}: commit, but it is ${this.state}`,
    );
    this.#wanted = decision;
    this.#alone ||= how.alone;
    if (decision === 'abort') this.#signal.abort(new Error('The transaction is rolled back.'));
    if (!this.running) this.#carryOut(decision);
  }

  /** No coordinator is left to send the command again. What is decided is decided: it goes on. */
  goOnAlone(): void {
    if (this.#wanted === null || this.#alone) return;
    this.#alone = true;
    if (!this.running) this.#carryOut(this.#wanted);
  }

  /** The coordinator is closed: no more calls, but for the one under way. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #name(): string {
    return `${this.#given.txid}/${this.#given.named.name}`;
  }

  async #prepare(timeoutMs: number): Promise<void> {
    // Not within the coordinator's own step, and not at all where that step ended in an abort.
    await Promise.resolve();
    if (this.#wanted === 'abort' || this.#stopped) {
      this.running = false;
      this.#carryOut('abort');
      return;
    }
    const { participant, txid } = this.#given;
    const { name } = this.#given.named;
    const ended = await this.#call('prepare', () =>
      participant.prepare(txid, { signal: this.#signal.signal, timeoutMs }),
    );
    this.running = false;
    const voted = 'returned' in ended ? ended.returned : null;
    if (voted === true) this.state = 'prepared';
    if (voted === false) {
      this.#end('refused', this.#wanted);
      if (this.#wanted === null)
        this.#vote({ vote: 'abort', reason: { message: `${name} voted abort.` } });
      return;
    }
    if (this.#wanted !== null) {
      this.#carryOut(this.#wanted);
    } else if (voted === true) {
      this.#vote({ vote: 'commit' });
    } else {
      const message = `prepare of ${name} ${told(ended, 'true or false')}`;
      this.#vote({ vote: 'abort', reason: { message } });
      this.decide('abort', { alone: true });
    }
  }

  #carryOut(decision: Decision): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.running = true;
    void this.#run(decision).catch(this.#given.onBroken);
  }

  async #run(decision: Decision): Promise<void> {
    await Promise.resolve();
    const { participant, txid, named } = this.#given;
    const method = decision === 'commit' ? 'commit' : 'rollback';
    const ended = await this.#call(method, () => participant[method](txid));
    this.running = false;
    if ('returned' in ended && ended.returned === true) {
      this.#end(decision === 'commit' ? 'committed' : 'rolled-back', decision);
      return;
    }
    this.#failures += 1;
    this.#lastError = `${method} of ${named.name} ${told(ended, 'true')}`;
    this.#acknowledge(decision, this.#lastError);
    if (!this.#alone || this.#stopped) return;
    const { clock, random, options } = this.#given;
    const delayMs = backoffMs(this.#failures, options, random.fraction());
    this.#timer = clock.setTimer(delayMs, () => this.#carryOut(decision));
  }

  #end(state: 'committed' | 'rolled-back' | 'refused', decision: Decision | null): void {
    this.state = state;
    if (decision !== null) this.#acknowledge(decision, null);
    this.#given.ended();
  }

  #vote(what: { vote: 'commit' } | { vote: 'abort'; reason: VoteReason }): void {
    const { named, txid, deliver } = this.#given;
    deliver(named, { type: 'vote', txid, branch: named.name, ...what });
  }

  /** `why`: what it answered instead of true. */
  #acknowledge(decision: Decision, why: string | null): void {
    const { named, txid, deliver } = this.#given;
    deliver(named, {
      type: 'ack',
      txid,
      branch: named.name,
      decision,
      ok: why === null,
      ...(why === null ? {} : { error: { code: 'INTERNAL', message: why } }),
    });
  }

  #traced(call: () => unknown): unknown {
    const spans = this.#trace === null ? null : tracing();
    return spans === null || this.#trace === null ? call() : spans.withinTrace(this.#trace, call);
  }

  async #call(method: ParticipantMethod, call: () => unknown): Promise<Ended> {
    const { txid, named, returns } = this.#given;
    let ended: Ended;
    try {
      ended = { returned: await this.#traced(call) };
    } catch (error) {
      ended = { threw: textOf(error) };
    }
    returns.add({ txid, participant: named.name, method, ended });
    return ended;
  }
}

function told(ended: Ended, wanted: string): string {
  if ('threw' in ended) return `threw: ${ended.threw}`;
  const { returned } = ended;
  if (returned === false) return 'returned false: not done yet.';
  const kind = returned === null ? 'null' : typeof returned;
  const what = typeof returned === 'number' || returned === 'true' ? String(returned) : kind;
  return `returned ${what} instead of ${wanted}.`;
}
