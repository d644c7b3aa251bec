/**
 * Reports, judged in pieces. A report may name ten thousand transactions, and each costs a hash and
 * perhaps a reading of the log. Between two pieces all others have a turn, and so has the lease.
 *
 * Of each connection and shard one report is under way and one waits, the latest. One that came in
 * between is answered `BUSY`: its sender has asked again already. The pieces do not change what is
 * judged: a participant sends its report in pages anyway, and the answer to each line depends only
 * on the memory and the log at the time.
 */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import type { FromNode, Report } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import type { Clock } from '../ports/clock.ts';
import type { Session } from './session.ts';

const pieceLines = 250;
/** Of one turn of the event loop, for all reports together. */
const budgetMs = 5;
const retryAfterMs = 200;
/** Since it came: as old as a buffered message may be. Its sender has long asked again. */
const maxAgeMs = 30_000;

type Reporter = Pick<Session, 'id' | 'sender' | 'send'>;
export type Judge = Pick<ShardDriver, 'step'>;

export interface ReportHost<R extends Reporter> {
  readonly clock: Clock;
  /** By shard, while this node leads it. */
  readonly judges: () => ReadonlyMap<number, Judge>;
  readonly isIssued: (txid: Txid) => boolean;
  /** The report held so many ids that this cluster never gave out. */
  readonly foreign: (reporter: R, lines: number) => void;
}

interface Received {
  readonly message: Report;
  readonly atMs: number;
}

interface Running<R> extends Received {
  readonly reporter: R;
  readonly shard: number;
  readonly judge: Judge;
  /** The latest that came meanwhile. */
  next: Received | null;
  /** Lines that were judged, or are being judged. */
  at: number;
  foreign: number;
  /** What the piece under way is asked under. */
  pieceId: number;
}

export class ReportQueue<R extends Reporter> {
  readonly #host: ReportHost<R>;
  /** By connection and shard. */
  readonly #running = new Map<number, Map<number, Running<R>>>();
  readonly #pieces = new Map<number, Running<R>>();
  /** Their next piece is due. */
  readonly #due = new Set<Running<R>>();
  #scheduled = false;
  /** Below zero, where no id of a peer's is. */
  #pieceId = 0;

  constructor(host: ReportHost<R>) {
    this.#host = host;
  }

  add(reporter: R, shard: number, message: Report): void {
    const judge = this.#host.judges().get(shard);
    const before = this.#running.get(reporter.id)?.get(shard);
    const received = { message, atMs: this.#host.clock.monotonicMs() };
    if (before !== undefined && !this.#isOver(before)) {
      if (before.next !== null) this.#busy(before, before.next);
      before.next = received;
      return;
    }
    if (before !== undefined) this.#drop(before);
    if (judge !== undefined) this.#start(reporter, shard, { judge, ...received });
  }

  /** Leaderships may have ended, without an answer to what they were asked. */
  dropOver(): void {
    const all = [...this.#running.values()].flatMap((shards) => [...shards.values()]);
    for (const running of all) if (this.#isOver(running)) this.#drop(running);
  }

  /** What the term says to one of the pieces; false: it is no answer to such. */
  answered(reply: FromNode): boolean {
    if (!('id' in reply) || reply.id === undefined || reply.id >= 0) return false;
    const running = this.#pieces.get(reply.id);
    this.#pieces.delete(reply.id);
    if (running === undefined) return true;
    if (reply.type === 'error') this.#end(running, { ...reply, id: running.message.id });
    else this.#goOn(running);
    return true;
  }

  /** The connection is gone. */
  leave(connection: number): void {
    for (const running of this.#running.get(connection)?.values() ?? []) this.#forget(running);
  }

  #start(reporter: R, shard: number, received: Received & { readonly judge: Judge }): void {
    const running = { ...received, reporter, shard, next: null, at: 0, foreign: 0, pieceId: 0 };
    const shards = this.#running.get(reporter.id) ?? new Map<number, Running<R>>();
    this.#running.set(reporter.id, shards);
    shards.set(shard, running);
    if (this.#scheduled) this.#due.add(running);
    else this.#piece(running);
  }

  #goOn(running: Running<R>): void {
    const { message, reporter, foreign } = running;
    if (running.at < message.inDoubt.length + message.kept.length) {
      this.#due.add(running);
      this.#schedule();
      return;
    }
    if (foreign > 0) this.#host.foreign(reporter, foreign);
    this.#end(running, { type: 'reported', id: message.id });
  }

  #piece(running: Running<R>): void {
    const { reporter, judge, message, at } = running;
    if (this.#isOver(running)) {
      this.#drop(running);
      return;
    }
    const { isIssued } = this.#host;
    const end = at + pieceLines;
    const doubts = message.inDoubt.length;
    const inDoubt = message.inDoubt.slice(at, end);
    const kept = message.kept.slice(Math.max(0, at - doubts), Math.max(0, end - doubts));
    const piece = {
      inDoubt: inDoubt.filter(({ txid }) => isIssued(txid)),
      kept: kept.filter((txid) => isIssued(txid)),
    };
    const left = piece.inDoubt.length + piece.kept.length;
    running.at = end;
    running.foreign += inDoubt.length + kept.length - left;
    if (left === 0) {
      this.#goOn(running);
      return;
    }
    this.#pieceId -= 1;
    const id = this.#pieceId;
    running.pieceId = id;
    this.#pieces.set(id, running);
    judge.step({
      type: 'message',
      from: reporter.sender,
      message: { type: 'report', id, ...piece },
      requestHash: null,
    });
  }

  #end(running: Running<R>, reply: FromNode): void {
    const { reporter, shard, judge, next } = running;
    this.#forget(running);
    reporter.send(reply);
    if (next === null) return;
    this.#schedule();
    this.#start(reporter, shard, { judge, ...next });
  }

  #isOver({ judge, shard, atMs }: Running<R>): boolean {
    const { clock, judges } = this.#host;
    return judges().get(shard) !== judge || clock.monotonicMs() - atMs > maxAgeMs;
  }

  /** The participant reports again if the leadership has passed to the next. */
  #drop(running: Running<R>): void {
    this.#forget(running);
    this.#busy(running, running);
    if (running.next !== null) this.#busy(running, running.next);
  }

  #forget(running: Running<R>): void {
    this.#due.delete(running);
    this.#pieces.delete(running.pieceId);
    const shards = this.#running.get(running.reporter.id);
    shards?.delete(running.shard);
    if (shards?.size === 0) this.#running.delete(running.reporter.id);
  }

  #busy({ reporter }: Running<R>, { message: { id } }: Received): void {
    reporter.send({
      type: 'error',
      id,
      code: 'BUSY',
      message:
        'Another report of this connection took its place, its leadership is over, or it took too long.',
      retryable: true,
      retryAfterMs,
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#host.clock.setTimer(0, this.#turn);
  }

  readonly #turn = (): void => {
    const { clock } = this.#host;
    const untilMs = clock.monotonicMs() + budgetMs;
    for (const running of this.#due) {
      // What it makes due goes to the end.
      this.#due.delete(running);
      this.#piece(running);
      if (clock.monotonicMs() >= untilMs) break;
    }
    this.#scheduled = false;
    if (this.#due.size > 0) this.#schedule();
  };
}
