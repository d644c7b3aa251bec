import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { exitCodes } from '../../../src/cli/exit-codes.ts';
import { type SubmitEnd, SubmitReport } from '../../../src/cli/submit/report.ts';
import { SubmitRun } from '../../../src/cli/submit/run.ts';
import { exitCodeOf } from '../../../src/cli/submit/tally.ts';
import type { Ended, Transact } from '../../../src/cli/submit/transact.ts';
import { abortReason } from '../../../src/core/catalogue.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { type MemoryIo, memoryIo } from '../../support/process/cli-io.ts';

const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a' as Txid;
const committed: Ended = { outcome: 'committed', txid, results: null };
const aborted: Ended = { outcome: 'aborted', txid, reason: abortReason('DEADLOCK') };

function failed(outcome: 'unknown' | 'refused', code: 'TIMEOUT' | 'BUSY' | 'EXPIRED'): Ended {
  return { outcome, txid: null, error: { code, message: 'Why.' } };
}

interface Submission {
  readonly run: SubmitRun;
  readonly report: SubmitReport;
  readonly io: MemoryIo;
  /** Reads to the end and finishes the report. */
  readonly whole: (input: Iterable<string> | AsyncIterable<string>) => Promise<SubmitEnd>;
}

function submission(
  transact: Transact,
  options: {
    readonly concurrency?: number;
    readonly json?: boolean;
    readonly timeoutMs?: number;
    readonly io?: MemoryIo;
  } = {},
): Submission {
  const { concurrency = 4, json = false, timeoutMs = 0, io = memoryIo() } = options;
  const report = new SubmitReport(io, {
    json,
    source: { file: 'my orders.jsonl', urls: ['127.0.0.1:7070'] },
    inputBytes: null,
    onOutputEnd: () => run.stop('output'),
  });
  const run: SubmitRun = new SubmitRun({
    transact,
    report,
    clock: systemClock,
    concurrency,
    timeoutMs,
  });
  const whole = async (input: Iterable<string> | AsyncIterable<string>): Promise<SubmitEnd> => {
    const end = await run.run(bytesOf(input));
    await report.finish(end);
    return end;
  };
  return { run, report, io, whole };
}

async function* bytesOf(
  input: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<Uint8Array> {
  for await (const text of input) yield Buffer.from(text);
}

function line(requestId: string): string {
  return `${JSON.stringify({ requestId, participants: { inventory: {} } })}\n`;
}

function* lines(count: number): Generator<string> {
  for (let index = 1; index <= count; index += 1) yield line(`order-${index}`);
}

describe('SubmitRun', () => {
  it('keeps as many in flight as allowed, and reads no further meanwhile', async () => {
    let inFlight = 0;
    let most = 0;
    let read = 0;
    let ended = 0;
    let ahead = 0;
    const { whole } = submission(
      async () => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        await new Promise((resolve) => setImmediate(resolve));
        inFlight -= 1;
        ended += 1;
        return committed;
      },
      { concurrency: 7 },
    );
    const input = function* (): Generator<string> {
      for (const text of lines(200)) {
        read += 1;
        ahead = Math.max(ahead, read - ended);
        yield text;
      }
    };
    await whole(input());
    expect({ most, ended }).toEqual({ most: 7, ended: 200 });
    expect(ahead).toBeLessThanOrEqual(9);
  });

  it('reports bad lines with their numbers, and does the rest', async () => {
    const { whole, io, report } = submission(async () => aborted);
    const end = await whole(['\n', 'nonsense\n', line('order-1'), '{"participants":{}}']);
    expect(io.out()).toBe(
      `order-1  ${txid}  aborted  ${'DEADLOCK: The transaction was the youngest in a cycle of waiters. (a retry may succeed)'}\n`,
    );
    expect(io.errors()).toContain('line 2: The line is not JSON');
    expect(io.errors()).toContain('line 4: There are no participants');
    expect(end).toMatchObject({ stopCause: null, lastLine: 4, inputFailure: null });
    expect(exitCodeOf(report.tally, null)).toBe(exitCodes.badLines);
  });

  it('names a bad line by its number alone where its requestId is empty', async () => {
    const { whole, io } = submission(async () => committed);
    await whole([`{"requestId":"","participants":{"a":1}}\n`]);
    expect(io.errors()).toMatch(/^line 1: \S/m);
  });

  it('answers programs with one object a line, bad lines too', async () => {
    const { whole, io } = submission(async () => failed('refused', 'BUSY'), { json: true });
    await whole([line('order-1'), 'nonsense\n']);
    const answers = io
      .out()
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as object);
    expect(answers).toEqual(
      expect.arrayContaining([
        {
          line: 1,
          requestId: 'order-1',
          txid: null,
          outcome: 'refused',
          error: { code: 'BUSY', message: 'Why.' },
          ms: expect.any(Number),
        },
        expect.objectContaining({
          line: 2,
          outcome: 'refused',
          error: expect.objectContaining({ code: 'BAD_LINE' }),
        }),
      ]),
    );
    expect(JSON.parse(io.errors())).toMatchObject({
      summary: {
        committed: 0,
        refused: 1,
        badLines: 1,
        reasons: { refused: { BUSY: 1 } },
        lastLine: 2,
      },
    });
  });

  it('stops when a whole time-out passed without any answer, and says where to go on', async () => {
    let calls = 0;
    const { whole, io } = submission(
      async () => {
        calls += 1;
        return calls <= 2 ? committed : failed('unknown', 'TIMEOUT');
      },
      { concurrency: 1 },
    );
    const end = await whole(lines(100));
    expect(end).toMatchObject({ stopCause: 'unreachable', lastLine: 3 });
    expect(io.errors()).toContain(
      "tail -n +4 'my orders.jsonl' | verdict submit - --url 127.0.0.1:7070",
    );
    expect(io.errors()).toContain('what committed is not done twice');
  });

  it('goes on after an outcome that is unknown for another reason than time', async () => {
    const { whole, report } = submission(async () => failed('unknown', 'TIMEOUT'), {
      concurrency: 1,
      timeoutMs: 60_000,
    });
    expect((await whole(lines(20))).stopCause).toBeNull();
    expect(report.tally.counts.unknown).toBe(20);
  });

  it('goes on while others are answered', async () => {
    let calls = 0;
    const { whole, report } = submission(
      async () => {
        calls += 1;
        if (calls % 2 === 0) return committed;
        // Until another one has been answered.
        await new Promise((resolve) => setTimeout(resolve, 5));
        return failed('unknown', 'TIMEOUT');
      },
      { concurrency: 2 },
    );
    const end = await whole(lines(20));
    expect(end.stopCause).toBeNull();
    expect(report.tally.ended).toBe(20);
  });

  it('waits for what is in flight when stopped, and not when abandoned', async () => {
    const releases: (() => void)[] = [];
    const { run, whole, report } = submission(
      (_transaction, { signal }) =>
        new Promise((resolve) => {
          releases.push(() => resolve(committed));
          signal.addEventListener('abort', () => resolve(failed('unknown', 'EXPIRED')));
          if (releases.length === 4) {
            run.stop('SIGINT');
            releases[0]?.();
            setImmediate(() => run.abandon());
          }
        }),
    );
    const end = await whole(lines(100));
    expect(end).toMatchObject({ stopCause: 'SIGINT', lastLine: 4 });
    expect(report.tally.counts).toEqual({ committed: 1, aborted: 0, unknown: 3, refused: 0 });
  });

  it('warns that a run without request ids is not to be repeated', async () => {
    const { run, whole, io } = submission(async () => {
      run.stop('SIGINT');
      return committed;
    });
    await whole(['{"participants":{"inventory":{}}}\n', line('order-2')]);
    expect(io.out()).toContain('line:1  ');
    expect(io.errors()).not.toContain('run it all again');
  });

  it('ends quietly when no one reads the answers, and submits no more', async () => {
    const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(gone) });
    const { whole, report } = submission(async () => committed, {
      io: memoryIo({ stdout }),
      concurrency: 1,
    });
    const input = async function* (): AsyncGenerator<string> {
      for (const text of lines(1_000)) {
        yield text;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const end = await whole(input());
    expect(end.stopCause).toBe('output');
    expect(report.tally.ended).toBeLessThan(100);
  });

  it('says so when the answers cannot be written', async () => {
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(full) });
    const { whole } = submission(async () => committed, { io: memoryIo({ stdout }) });
    await expect(whole(lines(3))).rejects.toThrow('no space left on device');
  });

  it('submits no more while the answers are not taken', async () => {
    const blocked: (() => void)[] = [];
    const stdout = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => void blocked.push(done),
    });
    let calls = 0;
    const { whole } = submission(
      async () => {
        calls += 1;
        await new Promise((resolve) => setImmediate(resolve));
        return committed;
      },
      { io: memoryIo({ stdout }), concurrency: 2 },
    );
    const done = whole(lines(500));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toBeLessThan(20);
    let ended = false;
    void done.then(() => {
      ended = true;
    });
    while (!ended) {
      blocked.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(calls).toBe(500);
  });

  it('reports what was done although the input then fails', async () => {
    const { whole, report } = submission(async () => committed);
    const input = async function* (): AsyncGenerator<string> {
      yield line('order-1');
      throw new Error('EIO: i/o error');
    };
    const end = await whole(input());
    expect(String(end.inputFailure?.error)).toContain('EIO');
    expect(report.tally.ended).toBe(1);
  });
});

describe('exitCodeOf', () => {
  it.each([
    [[committed, aborted], 0, null, exitCodes.ok],
    [[committed], 1, null, exitCodes.badLines],
    [[committed, failed('refused', 'BUSY')], 1, null, exitCodes.notDone],
    [[failed('unknown', 'EXPIRED')], 0, null, exitCodes.notDone],
    [[failed('unknown', 'TIMEOUT')], 1, 'unreachable', exitCodes.unreachable],
    [[committed], 0, 'SIGINT', exitCodes.interrupted],
    [[committed], 0, 'SIGTERM', exitCodes.terminated],
    [[failed('unknown', 'TIMEOUT')], 0, 'output', exitCodes.outputGone],
  ] as const)('%#', (ends, badLines, stopCause, exitCode) => {
    const { report } = submission(async () => committed);
    for (const ended of ends) report.tally.add(ended, 1);
    report.tally.badLines = badLines;
    expect(exitCodeOf(report.tally, stopCause)).toBe(exitCode);
  });
});

describe('what came from elsewhere', () => {
  const evil = '\u001b]0;pwned\u0007\u001b[31mFAKE\u001b[0m\rcommitted\u202e\u200b\u009b2J';

  it.each([false, true])('cannot move the terminal, json %s', async (json) => {
    const reason = {
      code: 'VOTED_ABORT',
      message: evil,
      participant: evil,
      retryable: false,
    } as const;
    const ends: Ended[] = [
      { outcome: 'aborted', txid, reason },
      { outcome: 'refused', txid: null, error: { code: 'BUSY', message: evil } },
      { outcome: 'committed', txid, results: { a: evil } },
    ];
    const { whole, io } = submission(async () => ends.pop() as Ended, { json });
    await whole(lines(3));
    expect(`${io.out()}${io.errors()}`.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u200b\u202e]/u);
    if (json) expect(JSON.parse(io.out().split('\n')[0] as string).results.a).toBe(evil);
  });
});
