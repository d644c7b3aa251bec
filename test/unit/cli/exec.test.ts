import { describe, expect, it } from 'vitest';
import { parseLine } from '../../../src/cli/exec/parse-line.ts';
import { exitCodes } from '../../../src/cli/exit-codes.ts';
import { memoryIo, runMain } from '../../support/process/cli-io.ts';

interface Result {
  readonly line: number;
  readonly op?: string;
  readonly [field: string]: unknown;
}

async function run(script: string, args: readonly string[] = []) {
  const io = memoryIo();
  io.stdin.end(script);
  const { exitCode, out, errors } = await runMain(['exec', '-', ...args], io);
  const results = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);
  return { exitCode, results, errors };
}

describe('exec on simulated participants', () => {
  it('plays a transaction, one result a line', async () => {
    const { exitCode, results, errors } = await run(
      '# a transfer\nbegin\n\nregister inventory\nregister payment delay=1 commit-failures=2\ncommit\nstatus wait=20000\n',
    );
    expect(errors).toBe('');
    expect(exitCode).toBe(exitCodes.ok);
    expect(results).toMatchObject([
      { line: 2, op: 'begin', tx: 't1' },
      { line: 4, op: 'register', participant: 'inventory' },
      { line: 5, op: 'register', participant: 'payment' },
      { line: 6, op: 'commit', tx: 't1', outcome: 'committed' },
      { line: 7, op: 'status', state: 'COMMITTED', branches: [{}, { attempts: 3 }] },
    ]);
    expect(results[3]?.['txid']).toBe(results[0]?.['txid']);
  });

  it('asks for the next line where somebody types, and nowhere else', async () => {
    const io = memoryIo();
    Object.assign(io.stdin, { isTTY: true });
    io.stdin.end('begin\nnonsense\n');
    const { out, errors } = await runMain(['exec', '-'], io);
    expect(errors).toMatch(/^A transaction by hand.*\n(verdict> ){3}$/);
    expect(out.split('\n').filter((line) => line !== '')).toHaveLength(2);
  });

  it.each([
    ['abort', 'VOTED_ABORT'],
    ['throw', 'VOTED_ABORT'],
  ])('aborts where one votes %s', async (vote, code) => {
    const { exitCode, results } = await run(
      `begin\nregister inventory\nregister payment vote=${vote}\ncommit\n`,
    );
    expect(exitCode).toBe(exitCodes.ok);
    expect(results.at(-1)).toMatchObject({
      outcome: 'aborted',
      reason: { code, participant: 'payment' },
    });
  });

  it('ends a vote that hangs when the time is over', async () => {
    // Time runs from the first line on: on a busy machine 30 ms were over before the second was
    // read, which is then an error.
    const { results } = await run(
      'begin timeout=1000\nregister payment vote=hang\ncommit\nstatus wait=20000\n',
    );
    expect(results[2]).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'TRANSACTION_TIMEOUT' },
    });
    expect(results[3]).toMatchObject({ state: 'ABORTED' });
  });

  it('has several transactions by name, and rolls back with a reason', async () => {
    const { results } = await run(
      'begin a\nbegin b\nregister inventory tx=a\nrollback a reason=not today, thanks\ncommit b\n',
    );
    expect(results.slice(3)).toMatchObject([
      { tx: 'a', outcome: 'aborted', reason: { message: 'not today, thanks' } },
      { tx: 'b', outcome: 'committed' },
    ]);
  });

  it('goes on beside a line that ends in &', async () => {
    const { exitCode, results } = await run(
      'begin\nregister payment vote=hang\ncommit &\nregister late\nrollback\n',
      ['--keep-going'],
    );
    expect(exitCode).toBe(exitCodes.notDone);
    const byLine = new Map(results.map((result) => [result.line, result]));
    expect(byLine.get(3)).toMatchObject({ op: 'commit', outcome: 'aborted' });
    expect(byLine.get(4)).toMatchObject({ error: { code: 'WRONG_STATE' } });
    expect(byLine.get(5)).toMatchObject({ op: 'rollback', outcome: 'aborted' });
  });

  it('stops at the first error, and says in which line', async () => {
    const { exitCode, results } = await run('begin\ncommit other\nbegin\n');
    expect(exitCode).toBe(exitCodes.notDone);
    expect(results).toHaveLength(2);
    expect(results[1]).toMatchObject({ line: 2, error: { code: 'UNKNOWN_TRANSACTION' } });
  });

  it('goes on with --keep-going, and remembers the bad line', async () => {
    const { exitCode, results } = await run('commit\nfly\nbegin\ncommit', ['--keep-going']);
    expect(exitCode).toBe(exitCodes.badLines);
    expect(results).toMatchObject([
      { line: 1, error: { code: 'UNKNOWN_TRANSACTION' } },
      { line: 2, error: { code: 'BAD_LINE' } },
      { line: 3, op: 'begin' },
      { line: 4, outcome: 'committed' },
    ]);
  });

  it('says of a second participant of a name that, and nothing of the state', async () => {
    const { exitCode, results } = await run('begin\nregister x\nregister x\n');
    expect(exitCode).toBe(exitCodes.notDone);
    const { error } = results[2] as unknown as { error: { code: string; message: string } };
    expect(error.code).toBe('WRONG_STATE');
    expect(error.message).toMatch(/a name stands for one resource\.$/);
  });

  it('refuses what is only for a node', async () => {
    const { exitCode, results } = await run('begin\nregister inventory payload={"a": 1}\n');
    expect(exitCode).toBe(exitCodes.badLines);
    expect(results[1]).toMatchObject({ line: 2, error: { code: 'BAD_LINE' } });
  });
});

describe('a line of exec', () => {
  it.each([
    ['fly', 'no operation'],
    ['begin a b', 'one word'],
    ['register', 'needs the name'],
    ['register a vote=maybe', 'vote='],
    ['register a delay=-1', 'delay='],
    ['register a delay=1 delay=2', 'twice'],
    ['register a payload={', 'JSON'],
    ['register tx=t1 a', 'words come first'],
    ['commit wait=5', 'commit takes no name=value, so no wait= either.'],
    ['rollback wait=5', 'rollback takes no wait=; it takes reason=.'],
    ['status wait=99999999999', 'wait='],
    ['toString', 'no operation'],
  ])('%s is refused', (line, why) => {
    expect(parseLine(line)).toMatchObject({ problem: expect.stringContaining(why) });
  });

  it('keeps what follows payload= and reason= in one piece', () => {
    expect(parseLine('register a payload={"b": "c d"}')).toMatchObject({
      operation: { payload: { b: 'c d' } },
    });
    expect(parseLine('rollback t1 reason=a = b &')).toMatchObject({
      operation: { tx: 't1', reason: 'a = b &' },
      behind: false,
    });
  });
});
