/** `verdict submit`: transactions from a file or a pipe. */
import { addAbortSignal } from 'node:stream';
import { connect } from '../../client/client.ts';
import { isVerdictError } from '../../peer/verdict-error.ts';
import { systemClock } from '../../system/clock.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { Io, StopSignal } from '../io.ts';
import { openInput, unreadable } from '../open-input.ts';
import { unreachable } from '../unreachable.ts';
import { SubmitReport } from './report.ts';
import { SubmitRun } from './run.ts';
import { exitCodeOf } from './tally.ts';
import { transactThrough } from './transact.ts';

export interface SubmitOptions {
  /** A path, or `-` for stdin. */
  readonly file: string;
  readonly urls: readonly string[];
  readonly token: string | null;
  readonly concurrency: number;
  /** For each transaction, however often it has to be sent. */
  readonly timeoutMs: number;
  readonly json: boolean;
  /** Tries again what aborted for a reason that can pass. */
  readonly retry: boolean;
}

/** How long the first connection may take, where the transactions' own time-out is not shorter. */
const maxConnectTimeoutMs = 5_000;
/**
 * One Ctrl-C can arrive twice: from the terminal, and from a parent process that hands signals on. A person's second one
 * comes later than this.
 */
const sameSignalMs = 300;

export async function submit(io: Io, options: SubmitOptions): Promise<ExitCode> {
  const { file, urls, token, concurrency, timeoutMs, json, retry } = options;
  const input = await openInput(io, file);
  const client = await connect({
    urls,
    name: 'verdict-cli',
    timeoutMs: Math.min(timeoutMs, maxConnectTimeoutMs),
    ...(token === null ? {} : { token }),
  }).catch((error: unknown) => {
    input.stream.destroy();
    throw isVerdictError(error) && error.code === 'TIMEOUT'
      ? unreachable(urls, new Map(), { cause: error })
      : error;
  });
  const report = new SubmitReport(io, {
    json,
    source: { file, urls },
    inputBytes: input.bytes,
    onOutputEnd: () => run.stop('output'),
  });
  const transact = transactThrough(client, { timeoutMs, retry });
  const run: SubmitRun = new SubmitRun({
    transact,
    report,
    clock: systemClock,
    concurrency,
    timeoutMs,
  });
  addAbortSignal(run.reading, input.stream);
  const release = io.onStopSignal(stopper({ run, report, release: () => release() }));
  report.start();
  try {
    const end = await run.run(input.stream);
    await report.finish(end);
    if (end.inputFailure !== null) throw unreadable(file, end.inputFailure.error);
    return exitCodeOf(report.tally, end.stopCause);
  } finally {
    report.stop();
    release();
    await client.close();
  }
}

/** The first signal stops the reading, the second the waiting; a third one is the system's to handle. */
function stopper(given: {
  readonly run: SubmitRun;
  readonly report: SubmitReport;
  readonly release: () => void;
}): (signal: StopSignal) => void {
  const { run, report, release } = given;
  let stoppedAtMs: number | null = null;
  return (signal) => {
    const nowMs = systemClock.monotonicMs();
    if (stoppedAtMs === null) {
      stoppedAtMs = nowMs;
      report.remark(
        'Stopping: what is in flight may finish. Press Ctrl-C again to wait no longer.',
      );
      run.stop(signal);
    } else if (nowMs - stoppedAtMs > sameSignalMs) {
      release();
      run.abandon();
    }
  };
}
