/**
 * 8.4: on connecting, and when a new epoch is announced, this participant reports to the shard's
 * leader what it holds in doubt and what it keeps. The answers: `decision` and `forget`.
 *
 * The epoch is adopted durably before its report is sent (I7, no stale prepare). The new leader
 * presumes the abort of what was not reported and not recorded; a vote for an older epoch that
 * became durable after the report would contradict it.
 */
import { backoffMs } from '../core/backoff.ts';
import type { ConnectionId } from '../core/branch/branch.ts';
import type { Report, Witness } from '../core/messages.ts';
import { type Epoch, shardOf, type Txid } from '../core/txid.ts';
import { VerdictError } from '../peer/verdict-error.ts';
import { pauseOrAbort } from '../system/pause.ts';
import type { Branches } from './branches.ts';
import type { ParticipantContext } from './context.ts';
import type { Epochs } from './epochs.ts';
import type { Session, Sessions } from './sessions.ts';

export interface ReportsOptions extends ParticipantContext {
  readonly sessions: Sessions;
  readonly epochs: Epochs;
  readonly branches: Branches;
  /** A report was not answered: what is in doubt is no longer left to that leader. */
  readonly failed: () => void;
}

/** What a report named, and how its leader shows that it is at it. */
interface Asked {
  readonly session: Session;
  readonly startedAtMs: number;
  /** The highest that it named: what begins later is no part of it. */
  readonly upTo: Txid;
  /** When a page of it left, or was answered; as if never, once one was not. */
  atMs: number;
  /** When a command came for one that it named. */
  commandedAtMs: number;
}

const never = Number.NEGATIVE_INFINITY;
/**
 * So often the patience, at most, commands put off the questions. Every one of them ends a doubt
 * that the report named, so that they would cease by themselves, but a leader may send one in each
 * patience for hours (!), and the one that it does not know of would hold its locks as long.
 */
const maxPatiences = 12;

/** Reading and judging a page of doubts takes the leader longer than one query. */
const pageTimeouts = 5;

export class Reports {
  readonly #given: ReportsOptions;
  /** The newest epoch reported, or being reported, by session and shard. */
  readonly #reported = new WeakMap<Session, Map<number, Epoch>>();
  readonly #closed = new AbortController();
  /** By shard: the latest report. */
  readonly #asked = new Map<number, Asked>();

  constructor(given: ReportsOptions) {
    this.#given = given;
  }

  /** After a welcome or a new leader: each leader gets one report by connection and epoch. */
  consider(): void {
    const { sessions } = this.#given;
    for (const { shard, epoch } of sessions.nodes.newestLeaders()) {
      void this.#consider(sessions.leader(shard), shard, epoch);
    }
  }

  close(): void {
    this.#closed.abort();
  }

  /** For how long what is in doubt there is left to the leader, which was sent a report of it. */
  leftToLeaderMs(shard: number): number {
    const { sessions, clock, options } = this.#given;
    const asked = this.#asked.get(shard);
    if (asked === undefined || sessions.leader(shard) !== asked.session) return 0;
    const sinceMs = Math.max(asked.atMs, asked.commandedAtMs);
    return sinceMs + options.patienceMs - clock.monotonicMs();
  }

  /**
   * A command came for a branch in doubt. After a report it shows that its leader is at work on
   * what was reported, however long the rest of it waits: also where the page that named it was not
   * answered in time, because the leader still reads what is to be commanded.
   */
  commanded(connection: ConnectionId, txid: Txid): void {
    const asked = this.#asked.get(shardOf(txid));
    if (asked === undefined || asked.session.id !== connection || txid > asked.upTo) return;
    const { clock, options } = this.#given;
    const nowMs = clock.monotonicMs();
    const untilMs = asked.startedAtMs + maxPatiences * options.patienceMs;
    if (nowMs < untilMs) asked.commandedAtMs = nowMs;
  }

  async #consider(session: Session | null, shard: number, epoch: Epoch): Promise<void> {
    const { epochs, branches, fatal } = this.#given;
    // Whether or not its leader can be reached: a zombie's prepare may come first.
    const isNew = epochs.known(shard) < epoch;
    let claimed: Map<number, Epoch> | null = null;
    if (session !== null) {
      claimed = this.#reported.get(session) ?? new Map<number, Epoch>();
      this.#reported.set(session, claimed);
      if ((claimed.get(shard) ?? '') >= epoch) return;
      claimed.set(shard, epoch);
    }
    try {
      await epochs.adopt(shard, epoch);
    } catch (error) {
      if (!this.#closed.signal.aborted) fatal(error);
      return;
    }
    if (this.#closed.signal.aborted) return;
    if (isNew) branches.epochAdopted(shard, epoch);
    if (session === null || claimed === null) return;
    // Again while this connection and this epoch last; a new one has a report of its own.
    const isWanted = (): boolean =>
      !this.#closed.signal.aborted &&
      claimed.get(shard) === epoch &&
      this.#given.sessions.isOpen(session.id);
    for (let failures = 1; isWanted(); failures += 1) {
      const error = await this.#report(session, shard, failures > 1);
      if (error === null) return;
      await this.#pause(failures, error);
    }
  }

  /**
   * Short at first: a new leader is announced while it still reads what the old one left, and
   * answers NOT_LEADER. All that is in doubt, and the locks it holds, would wait with this report.
   */
  async #pause(failures: number, error: unknown): Promise<void> {
    const { clock, random, options } = this.#given;
    const pauseMs = backoffMs(failures, options, random.fraction());
    const askedMs = error instanceof VerdictError ? (error.retryAfterMs ?? 0) : 0;
    await pauseOrAbort(clock, Math.max(pauseMs, askedMs), this.#closed.signal);
  }

  /** Null once all of it was answered, else why not. */
  async #report(session: Session, shard: number, failed: boolean): Promise<unknown> {
    const { options, logger, clock, branches } = this.#given;
    const txids = this.#txids(shard);
    const leader = { shard, node: session.node };
    const asked = this.#begun(session, shard, { txids, failed });
    try {
      for (let start = 0; start < Math.max(1, txids.length); start += options.reportPage) {
        const some = txids.slice(start, start + options.reportPage);
        await branches.refresh(some);
        const page = this.#page(some);
        // Of one that did not answer before it takes an answer to be believed again.
        const left = page.inDoubt.length > 0 && !(failed && start === 0);
        if (left) asked.atMs = clock.monotonicMs();
        await session.link.request(
          { type: 'report', ...page },
          { timeoutMs: options.queryTimeoutMs * pageTimeouts, signal: this.#closed.signal },
        );
        if (page.inDoubt.length > 0) asked.atMs = clock.monotonicMs();
      }
      if (txids.length > 0) {
        logger.info({ ...leader, transactions: txids.length }, 'reported to the leader');
      }
      return null;
    } catch (error) {
      asked.atMs = never;
      this.#given.failed();
      if (!this.#closed.signal.aborted) {
        logger.warn({ ...leader, error }, 'the report was not answered; it is sent again');
      }
      return error;
    }
  }

  #begun(
    session: Session,
    shard: number,
    { txids, failed }: { readonly txids: readonly Txid[]; readonly failed: boolean },
  ): Asked {
    const before = this.#asked.get(shard);
    const again = failed && before?.session === session ? before : null;
    let upTo: Txid | null = null;
    for (const txid of txids) if (upTo === null || txid > upTo) upTo = txid;
    const asked: Asked = {
      session,
      startedAtMs: again?.startedAtMs ?? this.#given.clock.monotonicMs(),
      upTo: upTo ?? ('' as Txid),
      atMs: never,
      commandedAtMs: again?.commandedAtMs ?? never,
    };
    this.#asked.set(shard, asked);
    return asked;
  }

  #txids(shard: number): Txid[] {
    const txids = new Set<Txid>();
    for (const { local } of this.#given.branches.all()) {
      const { txid, state } = local;
      if (shardOf(txid) !== shard) continue;
      if (state === 'prepared' || state === 'committed') txids.add(txid);
    }
    return [...txids];
  }

  /** As things are when the page is sent: what was forgotten meanwhile is not kept any more. */
  #page(txids: readonly Txid[]): Pick<Report, 'inDoubt' | 'kept'> {
    const inDoubt: { txid: Txid; witness: Witness }[] = [];
    const kept: Txid[] = [];
    for (const txid of txids) {
      const locals = this.#given.branches.of(txid).map(({ local }) => local);
      let doubt: Witness | null = null;
      for (const local of locals) if (local.state === 'prepared') doubt = local.witness ?? doubt;
      if (doubt !== null) inDoubt.push({ txid, witness: doubt });
      if (locals.some(({ state }) => state === 'committed')) kept.push(txid);
    }
    return { inDoubt, kept };
  }
}
