/**
 * The decision log without a coordinator: how a doubt ends when no node can be reached, or none
 * answers (docs/PROTOCOL.md, sections 5 and 8.3, and "I11, every doubt ends").
 *
 * A record is the answer. Where there is none the abort is presumed once the leadership that may
 * write the commit is over: its lease has run out, or another leads. Until then there is no answer,
 * unless this participant may force one. A log that shows less than this participant was shown with
 * its prepare (the witness) was set back and may have lost the commit: it concludes nothing.
 */
import { isAhead, judge } from '../core/judge.ts';
import type { Decision, DecisionSource, Witness } from '../core/messages.ts';
import type { Member } from '../core/retired.ts';
import type { Txid } from '../core/txid.ts';
import type { LogReading } from '../ports/decision-log.ts';
import type { Logger } from '../ports/logger.ts';

/** What is used of the decision log: nothing that needs a lease or a leadership. */
export interface LogReader {
  read(txid: Txid, asker: Member): Promise<LogReading>;
  resolve(txid: Txid, asker: Member, witness?: Witness): Promise<LogReading>;
  /** Where the shards are in several logs: that of a transaction, which is opened anew alone. */
  readonly parts?: { of(txid: Txid): number; forget(txid: Txid): void };
  close(): Promise<void>;
}

export interface DirectLogOptions {
  readonly open: (clusterId: string | null) => Promise<LogReader>;
  /** Of the cluster that is served; null: no node has told it yet. */
  readonly clusterId: () => string | null;
  /** Whether this participant may write the abort of what is not decided. */
  readonly resolve: boolean;
  /** Who asks. */
  readonly asker: Member;
  readonly logger: Logger;
  /** The log was set back, or this participant's own store was. */
  readonly setBack: (problem: { readonly txid: Txid; readonly message: string }) => void;
}

export interface DirectQuestion {
  readonly txid: Txid;
  readonly witness: Witness | null;
}

export class DirectLog {
  readonly #given: DirectLogOptions;
  #reader: Promise<LogReader> | null = null;
  #openedFor: string | null = null;
  #closed = false;
  /** Of each log: the highest that was read, and the lowest that is believed. */
  readonly #generation = new Map<number, number>();
  readonly #generationMin = new Map<number, number>();

  constructor(given: DirectLogOptions) {
    this.#given = given;
  }

  /** It is used only when everything else is gone: what is wrong with it is to be known before. */
  async check(): Promise<void> {
    try {
      await this.#opened();
    } catch (error) {
      if (this.#closed) return;
      this.#given.logger.error(
        { error },
        'decisionLog cannot be read: correct its address, or its cluster name, or doubts will wait for a node',
      );
    }
  }

  /** Null: no answer; ask again later. */
  async ask(question: DirectQuestion, signal: AbortSignal): Promise<Decision | null> {
    const { resolve, asker, logger, setBack } = this.#given;
    const { txid } = question;
    const opened = this.#opened();
    try {
      const reader = await opened;
      const part = reader.parts?.of(txid) ?? 0;
      const shown = this.#shown(part, question.witness);
      if (signal.aborted) return null;
      const reading = resolve
        ? await reader.resolve(txid, asker, shown)
        : await reader.read(txid, asker);
      if (signal.aborted) return null;
      if (reading.retired === true) {
        logger.error({ txid }, retiredText);
        return null;
      }
      const { generation } = reading.witness;
      this.#generation.set(part, Math.max(this.#generation.get(part) ?? 0, generation));
      const answer = generation < this.#min(part) ? 'set-back' : judged(reading, question);
      if (answer === 'set-back') {
        setBack({ txid, message: setBackText });
        return null;
      }
      if (answer === null) return null;
      const { decision, source } = answer;
      logger.info({ txid, decision, source }, 'no node answered; the decision log was read');
      return decision;
    } catch (error) {
      if (!signal.aborted) logger.warn({ txid, error }, 'the decision log could not be read');
      // Several questions of one reader may end so.
      if (isSetBack(error) && this.#reader === opened) {
        this.#openAnew(await opened, { txid, isMarked: isMark(error) });
      }
      return null;
    }
  }

  /** The latest state of the log seen here: no earlier one is believed, or written into. */
  #shown(part: number, witness: Witness | null): Witness | undefined {
    const generation = this.#min(part);
    if (generation > (witness?.generation ?? 0)) return { generation, revision: '0' };
    return witness ?? undefined;
  }

  /**
   * What saw the log set back answers no one any more. A new reader may read a generation that an
   * operator has raised, and nothing of the one before: it would not know what this one had seen.
   * Of a log that a node has marked it may: data without the mark is another.
   */
  #openAnew(
    { parts }: LogReader,
    { txid, isMarked }: { readonly txid: Txid; readonly isMarked: boolean },
  ): void {
    const part = parts?.of(txid) ?? 0;
    if (!isMarked) this.#generationMin.set(part, (this.#generation.get(part) ?? 0) + 1);
    if (parts !== undefined) {
      parts.forget(txid);
      return;
    }
    this.#drop();
  }

  #drop(): void {
    const over = this.#reader;
    this.#reader = null;
    void over?.then((reader) => reader.close()).catch(() => undefined);
  }

  #min(part: number): number {
    return this.#generationMin.get(part) ?? 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const reader = await this.#reader?.catch(() => null);
    await reader?.close();
  }

  /**
   * Opened by the check at the start; one that could not be opened is opened anew by the next.
   * So is one from before the cluster was known (!): of another's log it would presume the abort.
   */
  #opened(): Promise<LogReader> {
    if (this.#closed) return Promise.reject(new Error('The participant is closed.'));
    const clusterId = this.#given.clusterId();
    if (this.#openedFor !== clusterId) this.#drop();
    if (this.#reader !== null) return this.#reader;
    this.#openedFor = clusterId;
    const opening: Promise<LogReader> = this.#given.open(clusterId).catch((error: unknown) => {
      if (this.#reader === opening) this.#reader = null;
      throw error;
    });
    this.#reader = opening;
    return opening;
  }
}

function isSetBack(error: unknown): boolean {
  return error instanceof Error && error.name === 'LogSetBackError';
}

function isMark(error: unknown): boolean {
  return (error as { evidence?: { kind?: unknown } }).evidence?.kind === 'mark';
}

const retiredText =
  'This instance was retired by an operator, and what it holds was given up: it is told no outcome any more. Start it with a new, empty data directory.';

const setBackText =
  'The decision log shows an earlier state than this participant was shown before: it was restored from an old copy. Its answers are not used. An operator must look at it; see docs/OPERATING.md.';

/** Pure. Null: not decided, and it still may be. */
export function judged(
  reading: LogReading,
  { txid, witness }: DirectQuestion,
): { readonly decision: Decision; readonly source: DecisionSource } | 'set-back' | null {
  if (witness !== null && isAhead(witness, reading.witness)) return 'set-back';
  const judgement = judge(txid, reading, { inDoubt: true });
  switch (judgement.decision) {
    case 'ahead':
      return 'set-back';
    case 'commit':
    case 'abort':
      return { decision: judgement.decision, source: judgement.source };
    case 'undecided':
      return null;
    case 'expired':
      throw new Error('A participant in doubt is never told that its transaction expired.');
  }
}
