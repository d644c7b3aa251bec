/** `verdict exec`: a transaction played by hand, one operation per line, one result for each. */
import type { AbortReason } from '../../core/catalogue.ts';
import type { Outcome, TransactionStatus } from '../../core/messages.ts';
import { isTxid } from '../../core/txid.ts';
import { refusal } from '../../peer/verdict-error.ts';
import { systemClock } from '../../system/clock.ts';
import { pause } from '../../system/pause.ts';
import { complaintOf } from '../complaint.ts';
import { connectClient } from '../connect-client.ts';
import { type CredentialFlags, dialCredential } from '../credential.ts';
import { usableTls } from '../dial-files.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { LineWriter } from '../line-writer.ts';
import { openInput, unreadable } from '../open-input.ts';
import { type Line, LineReader } from '../submit/line-reader.ts';
import { maxLineBytes } from '../submit/run.ts';
import { jsonText } from '../text.ts';
import type { TlsFlags } from '../tls-options.ts';
import { liveTarget } from './live.ts';
import { type Operation, parseLine } from './parse-line.ts';
import { simulatedTarget } from './simulated.ts';

export interface ExecFlags extends TlsFlags, CredentialFlags {
  /** Without it participants are simulated. */
  readonly url?: readonly string[];
  readonly timeout: number;
  readonly keepGoing?: true;
}

export interface DecidedOutcome {
  readonly outcome: Outcome;
  readonly reason?: AbortReason;
  /** What the participants brought back. */
  readonly results?: unknown;
}

export interface ExecTarget {
  begin(timeoutMs: number | null): Promise<string>;
  register(txid: string, given: Extract<Operation, { op: 'register' }>): Promise<void>;
  commit(txid: string): Promise<DecidedOutcome>;
  rollback(txid: string, reason: string | null): Promise<DecidedOutcome>;
  status(txid: string): Promise<TransactionStatus>;
  /** What is not decided is rolled back. */
  close(): Promise<void>;
}

const statusPollMs = 10;

/** `file`: a path, or `-` for stdin. */
export async function exec(io: Io, file: string, flags: ExecFlags): Promise<ExitCode> {
  const { url: urls, timeout } = flags;
  const credential = urls === undefined ? {} : dialCredential(flags);
  const tls = urls === undefined ? undefined : usableTls(flags, urls);
  const input = await openInput(io, file);
  const target =
    urls === undefined
      ? simulatedTarget()
      : liveTarget(await connectClient(urls, { credential, tls }, timeout));
  const isTyped = file === '-' && io.stdin.isTTY === true;
  const writer = new LineWriter(io.stdout, { onEnd: () => input.stream.destroy() });
  const run = new ExecRun(
    target,
    (result) => writer.line(jsonText(result)),
    isTyped || flags.keepGoing === true,
  );
  // The prompt comes after the results of the line before.
  const prompt = (before = ''): void => {
    if (isTyped) io.stderr.write(`${before}verdict> `);
  };
  try {
    prompt(greeting(urls));
    for await (const line of lines(input.stream, file)) {
      if (writer.gone || !(await run.line(line))) break;
      prompt();
    }
    await run.idle();
    await writer.finish();
  } finally {
    if (file !== '-') input.stream.destroy();
    await target.close();
  }
  return writer.gone ? exitCodes.outputGone : run.exitCode;
}

function greeting(urls: readonly string[] | undefined): string {
  const how =
    urls === undefined ? 'simulated participants' : `the participants of ${urls.join(',')}`;
  return `A transaction by hand, on ${how}: begin, register NAME, commit, status. Ctrl-D ends it; --help says more.\n`;
}

async function* lines(stream: AsyncIterable<Buffer>, file: string): AsyncGenerator<Line> {
  const reader = new LineReader({ maxLineBytes });
  try {
    for await (const chunk of stream) yield* reader.push(chunk);
  } catch (error) {
    // The output went away, so the input was closed.
    if ((error as { code?: string }).code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    throw unreadable(file, error);
  }
  yield* reader.end();
}

class ExecRun {
  readonly #target: ExecTarget;
  readonly #say: (result: object) => void;
  readonly #keepGoing: boolean;
  readonly #named = new Map<string, string>();
  readonly #behind = new Set<Promise<void>>();
  #latest: string | null = null;
  #bad = false;
  #refused: ExitCode | null = null;

  constructor(target: ExecTarget, say: (result: object) => void, keepGoing: boolean) {
    this.#target = target;
    this.#say = say;
    this.#keepGoing = keepGoing;
  }

  get exitCode(): ExitCode {
    if (this.#bad) return exitCodes.badLines;
    return this.#refused ?? exitCodes.ok;
  }

  /** Everything that was not waited for has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#behind);
  }

  /** Whether to go on. */
  async line(line: Line): Promise<boolean> {
    const parsed = line.kind === 'bad' ? { problem: line.problem } : parseLine(line.text);
    if (parsed === null) return true;
    if ('problem' in parsed) {
      this.#badLine({ line: line.number }, parsed.problem);
      return this.#keepGoing;
    }
    const done = this.#run(line.number, parsed.operation);
    if (!parsed.behind) await done;
    else {
      this.#behind.add(done);
      void done.then(() => this.#behind.delete(done));
    }
    return this.#keepGoing || this.exitCode === exitCodes.ok;
  }

  /** Never rejects: the line's result says what failed. */
  async #run(line: number, operation: Operation): Promise<void> {
    const { op } = operation;
    const startedMs = systemClock.monotonicMs();
    try {
      const result = await this.#carryOut(operation);
      const ms = Math.round(systemClock.monotonicMs() - startedMs);
      this.#say({ line, op, ...result, ms });
    } catch (error) {
      // What the library or the SDK says of an argument is about the line.
      if (error instanceof TypeError || error instanceof RangeError) {
        this.#badLine({ line, op }, error.message);
        return;
      }
      const { code, message, exitCode } = complaintOf(error);
      this.#refused ??= exitCode;
      this.#say({ line, op, error: { code, message } });
    }
  }

  #badLine(where: object, message: string): void {
    this.#bad = true;
    this.#say({ ...where, error: { code: 'BAD_LINE', message } });
  }

  async #carryOut(operation: Operation): Promise<object> {
    if (operation.op === 'begin') {
      const txid = await this.#target.begin(operation.timeoutMs);
      const tx = operation.tx ?? `t${this.#named.size + 1}`;
      this.#named.set(tx, txid);
      this.#latest = tx;
      return { tx, txid };
    }
    const { tx, txid } = this.#find(operation.tx);
    switch (operation.op) {
      case 'register':
        await this.#target.register(txid, operation);
        return { tx, participant: operation.participant };
      case 'commit':
        return { tx, txid, ...(await this.#target.commit(txid)) };
      case 'rollback':
        return { tx, txid, ...(await this.#target.rollback(txid, operation.reason)) };
      case 'status':
        return { tx, ...(await this.#status(txid, operation.waitMs)) };
    }
  }

  /** Now, or when nothing is left to do for it, at the latest after `waitMs`. */
  async #status(txid: string, waitMs: number): Promise<object> {
    const untilMs = systemClock.monotonicMs() + waitMs;
    for (;;) {
      const status = await this.#target.status(txid);
      const over = status.state === 'COMMITTED' || status.state === 'ABORTED';
      if (over || systemClock.monotonicMs() >= untilMs) return status;
      await pause(systemClock, statusPollMs);
    }
  }

  #find(given: string | null): { tx: string; txid: string } {
    const tx = given ?? this.#latest;
    const txid = tx === null ? undefined : (this.#named.get(tx) ?? (isTxid(tx) ? tx : undefined));
    if (tx !== null && txid !== undefined) return { tx, txid };
    throw refusal(
      'UNKNOWN_TRANSACTION',
      tx === null
        ? 'No transaction was begun: start with a line "begin".'
        : `There is no transaction ${JSON.stringify(tx)}: use a name of a "begin" above, or a txid.`,
    );
  }
}
