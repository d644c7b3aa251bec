/** `verdict submit`: transactions from a file or a pipe. */
import { addAbortSignal } from 'node:stream';
import { systemClock } from '../../system/clock.ts';
import { connectClient } from '../connect-client.ts';
import { dialCredential } from '../credential.ts';
import { usableTls } from '../dial-files.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { Io, StopSignal } from '../io.ts';
import { openInput, unreadable } from '../open-input.ts';
import type { ConnectionFlags } from '../options.ts';
import { SubmitReport } from './report.ts';
import { SubmitRun } from './run.ts';
import { exitCodeOf } from './tally.ts';
import { transactThrough } from './transact.ts';

/** `timeout`: for each transaction, however often it has to be sent. */
export interface SubmitFlags extends ConnectionFlags {
  readonly concurrency: number;
  /** Tries again what aborted for a reason that can pass. */
  readonly retry?: true;
}

/** How long the first connection may take, where the transactions' own time-out is not shorter. */
const maxConnectTimeoutMs = 5_000;
/**
 * One Ctrl-C can arrive twice: from the terminal, and from a parent process that forwards signals.
 * A person's second one comes later than this.
 */
const sameSignalMs = 300;

/** `file`: a path, or `-` for stdin. */
export async function submit(io: Io, file: string, flags: SubmitFlags): Promise<ExitCode> {
  const { url: urls, concurrency, timeout: timeoutMs } = flags;
  const credential = dialCredential(flags);
  const tls = usableTls(flags, urls);
  const input = await openInput(io, file);
  const connectMs = Math.min(timeoutMs, maxConnectTimeoutMs);
  const connecting = connectClient(urls, { credential, tls }, connectMs);
  const client = await connecting.catch((error: unknown) => {
    input.stream.destroy();
    throw error;
  });
  const report = new SubmitReport(io, {
    json: flags.json === true,
    source: { file, urls },
    inputBytes: input.bytes,
    onOutputEnd: () => run.stop('output'),
  });
  const run: SubmitRun = new SubmitRun({
    transact: transactThrough(client, { timeoutMs, retry: flags.retry === true }),
    report,
    clock: systemClock,
    concurrency,
    timeoutMs,
  });
  addAbortSignal(run.reading, input.stream);
  const release = io.onStopSignal(stopper(run, report, () => release()));
  report.progress.start();
  try {
    const end = await run.run(input.stream);
    await report.finish(end);
    if (end.inputFailure !== null) throw unreadable(file, end.inputFailure.error);
    return exitCodeOf(report.tally, end.stopCause);
  } finally {
    report.progress.stop();
    release();
    await client.close();
  }
}

/** The first signal stops the reading, the second the waiting; a third ends the process. */
function stopper(
  run: SubmitRun,
  report: SubmitReport,
  release: () => void,
): (signal: StopSignal) => void {
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
