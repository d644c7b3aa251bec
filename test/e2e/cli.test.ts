/** The command against a real node, with real participants, each run a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import { type CliProcess, runCli, startCli, until } from '../support/process/cli-process.ts';

/** How a branch's payload tells its participant to vote. */
interface Wish {
  readonly vote?: 'abort' | 'conflict' | 'late';
  /** Its commit throws as long as this is so. */
  readonly commitFails?: boolean;
  readonly result?: unknown;
}

let directory = '';
let url = '';
let node: CliProcess;
let participants: ParticipantHandle[] = [];
/** Prepares of `late` branches wait for this. */
let late: PromiseWithResolvers<void> = Promise.withResolvers();
let latePrepares = 0;
/** A bug in commit, until it is mended. */
let isMended = false;

function serveNode(): CliProcess {
  const at = ['--data', join(directory, 'node'), '--listen', url, '--node', 'a'];
  return startCli(['serve', ...at, '--option', 'attentionAfter=5']);
}

async function participant(name: string): Promise<ParticipantHandle> {
  const handle = await serveParticipant<Wish>({
    name,
    urls: [url],
    dataDirectory: join(directory, name),
    async prepare({ payload }) {
      if (payload.vote === 'late') {
        latePrepares += 1;
        await late.promise;
      }
      if (payload.vote === 'abort') return vote.abort('Too little stock.');
      if (payload.vote === 'conflict')
        return vote.abort('Stale version of A1.', { code: 'CONFLICT' });
      return vote.commit(payload.result);
    },
    commit({ payload }) {
      if (payload?.commitFails === true && !isMended)
        throw new Error('column "total" does not exist');
    },
    rollback: () => undefined,
  });
  await handle.connected();
  return handle;
}

function lineOf(requestId: string | null, wish: Wish = {}): string {
  const id = requestId === null ? {} : { requestId };
  return `${JSON.stringify({ ...id, participants: { inventory: wish, payment: {} } })}\n`;
}

function linesOf(prefix: string, count: number): string {
  let text = '';
  for (let index = 1; index <= count; index += 1) text += lineOf(`${prefix}-${index}`);
  return text;
}

function fileOf(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

function outcomes(out: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of out.trim().split('\n')) {
    const outcome = line.split('  ')[2] ?? '';
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return counts;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-cli-'));
  url = `127.0.0.1:${await freePort()}`;
  node = serveNode();
  await until('the node is ready', () => node.errors().includes('Ready.'));
  participants = [await participant('inventory'), await participant('payment')];
});

afterAll(async () => {
  late.resolve();
  await Promise.all(participants.map((each) => each.close({ timeoutMs: 1_000 })));
  node.process.kill('SIGTERM');
  await node.ended;
  rmSync(directory, { recursive: true });
});

describe('submit', () => {
  const mixed = [
    lineOf('mixed-1', { result: { left: 3 } }),
    'nonsense\n',
    lineOf('mixed-3', { vote: 'conflict' }),
    '\n',
    lineOf(null, { vote: 'abort' }),
    '{"requestId":"mixed-6","participants":{"inventory":{},"inventory":{}}}',
  ].join('');

  it('prints an outcome for each line of a file, and why', async () => {
    const { exitCode, out, errors } = await runCli([
      'submit',
      fileOf('mixed.jsonl', mixed),
      '--url',
      url,
    ]);
    const lines = out.trim().split('\n').sort();
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(
      /^line:5 {2}\S+ {2}aborted {2}VOTED_ABORT inventory: Too little stock\.$/,
    );
    expect(lines[1]).toMatch(/^mixed-1 {2}0\.[0-9a-z.]+ {2}committed$/);
    expect(lines[2]).toMatch(
      /^mixed-3 {2}\S+ {2}aborted {2}CONFLICT inventory: Stale version of A1\. \(a retry/,
    );
    expect(errors).toContain('line 2: The line is not JSON');
    expect(errors).toContain('line 6 (mixed-6): The key "inventory" stands twice');
    expect(errors).toContain('3 transactions in');
    expect(exitCode).toBe(exitCodes.badLines);
  });

  it('answers in JSON, from a pipe; a repeated request has the same txid', async () => {
    const text = lineOf('json-1', { result: { left: 3 } });
    const first = await runCli(['submit', '-', '--url', url, '--json'], text);
    const again = await runCli(['submit', '-', '--url', url, '--json'], text);
    const [one, two] = [first, again].map(({ out }) => JSON.parse(out) as Record<string, unknown>);
    expect(one).toEqual({
      line: 1,
      requestId: 'json-1',
      txid: expect.stringMatching(/^0\./),
      outcome: 'committed',
      results: { inventory: { left: 3 } },
      ms: expect.any(Number),
    });
    expect(two).toMatchObject({ txid: one?.['txid'], outcome: 'committed' });
    expect(first.exitCode).toBe(exitCodes.ok);
    expect(JSON.parse(first.errors)).toMatchObject({ summary: { committed: 1 } });
  });

  it('refuses the same requestId with other content', async () => {
    const text = lineOf('twice', {}) + lineOf('twice', { result: 'other' });
    const { exitCode, out } = await runCli(
      ['submit', '-', '--url', url, '--concurrency', '1'],
      text,
    );
    expect(out).toMatch(/twice {2}\S+ {2}committed\ntwice {2}\S+ {2}refused {2}REQUEST_CONFLICT: /);
    expect(exitCode).toBe(exitCodes.notDone);
  });

  it('survives kill -9 of the node, and commits every request once', async () => {
    const file = fileOf('killed.jsonl', linesOf('killed', 4_000));
    const submit = startCli(['submit', file, '--url', url]);
    await until('some are committed', () => submit.out().split('\n').length > 300);
    node.process.kill('SIGKILL');
    await node.ended;
    node = serveNode();
    const { exitCode, out } = await submit.ended;
    expect(exitCode).toBe(exitCodes.ok);
    expect(outcomes(out)).toEqual(new Map([['committed', 4_000]]));
    expect(
      new Set(
        out
          .trim()
          .split('\n')
          .map((line) => line.split('  ')[0]),
      ).size,
    ).toBe(4_000);
    await Promise.all(participants.map((each) => each.connected()));
  });

  it('never repeats a line without a requestId: what the kill cut off is unknown, the rest goes on', async () => {
    const file = fileOf('bare.jsonl', lineOf(null).repeat(4_000));
    const submit = startCli(['submit', file, '--url', url]);
    await until('some are committed', () => submit.out().split('\n').length > 300);
    node.process.kill('SIGKILL');
    await node.ended;
    node = serveNode();
    const { exitCode, out } = await submit.ended;
    const counts = outcomes(out);
    const { committed = 0, unknown = 0, aborted = 0, refused = 0 } = Object.fromEntries(counts);
    expect(committed + unknown + aborted).toBe(4_000);
    expect(refused).toBe(0);
    // No more than were in flight.
    expect(unknown).toBeLessThanOrEqual(64);
    expect(committed).toBeGreaterThan(3_800);
    expect(exitCode).toBe(unknown > 0 ? exitCodes.notDone : exitCodes.ok);
    await Promise.all(participants.map((each) => each.connected()));
  });

  it('ends quietly when no one reads its output, and submits no more', async () => {
    const file = fileOf('head.jsonl', linesOf('head', 20_000));
    const submit = startCli(['submit', file, '--url', url]);
    await once(submit.process.stdout as NodeJS.ReadableStream, 'data');
    submit.process.stdout?.destroy();
    const { exitCode, errors } = await submit.ended;
    expect(exitCode).toBe(exitCodes.outputGone);
    expect(errors).toContain('the output is no longer read');
    expect(errors).not.toMatch(/EPIPE|\n {4}at /);
  });

  it('stops at the first signal, waits for what is in flight, and says where to go on', async () => {
    late = Promise.withResolvers();
    latePrepares = 0;
    const submit = startCli(['submit', '-', '--url', url, '--concurrency', '2']);
    // The input stays open: the signal ends a wait for more of it.
    submit.process.stdin?.write(lineOf('signal-1') + lineOf('signal-2', { vote: 'late' }));
    await until('the second is being prepared', () => latePrepares === 1);
    submit.process.kill('SIGINT');
    await until('it heard', () => submit.errors().includes('Stopping'));
    expect(submit.process.exitCode).toBeNull();
    late.resolve();
    const { exitCode, out, errors } = await submit.ended;
    expect(exitCode).toBe(exitCodes.interrupted);
    expect(outcomes(out)).toEqual(new Map([['committed', 2]]));
    expect(errors).toContain('after line 2: nothing of later lines was submitted');
  });

  it('does not wait after the second signal, and calls the outcome unknown', async () => {
    late = Promise.withResolvers();
    latePrepares = 0;
    const submit = startCli(['submit', '-', '--url', url]);
    submit.process.stdin?.write(lineOf('twice-1', { vote: 'late' }));
    await until('it is being prepared', () => latePrepares === 1);
    submit.process.kill('SIGINT');
    await until('it heard', () => submit.errors().includes('Stopping'));
    // Signals close to each other count as one.
    const again = setInterval(() => submit.process.kill('SIGTERM'), 400);
    const { exitCode, out } = await submit.ended.finally(() => clearInterval(again));
    late.resolve();
    expect(exitCode).toBe(exitCodes.interrupted);
    expect(out).toMatch(/^twice-1 {2}\S+ {2}unknown {2}OUTCOME_UNKNOWN: /);
  });

  it('keeps its memory while it reads a long pipe', async () => {
    // A wide line a thousand times over: what is held would show.
    const wide = `${JSON.stringify({ participants: { inventory: { pad: 'x'.repeat(60_000), vote: 'abort' } } })}\n`;
    const program = `const { main } = await import(${JSON.stringify(new URL('../../src/cli/main.ts', import.meta.url).href)});
      await main(process.argv.slice(1));
      console.error('maxRSS ' + process.resourceUsage().maxRSS);`;
    // Or it would show how much garbage V8 lets lie.
    const smallHeap = ['--max-semi-space-size=2', '--max-old-space-size=80', '--input-type=module'];
    const maxRss = async (count: number): Promise<number> => {
      const child = spawn(
        process.execPath,
        [...smallHeap, '-e', program, 'submit', '-', '--url', url, '--concurrency', '8'],
        { stdio: ['pipe', 'ignore', 'pipe'] },
      );
      let errors = '';
      child.stderr.on('data', (chunk) => {
        errors += chunk;
      });
      for (let index = 0; index < count; index += 1) {
        if (!child.stdin.write(wide)) await once(child.stdin, 'drain');
      }
      child.stdin.end();
      await once(child, 'close');
      expect(errors).toContain(`${count.toLocaleString('en-US')} transactions in`);
      return Number(/maxRSS (\d+)/.exec(errors)?.[1]) * 1_024;
    };
    const small = await maxRss(300);
    const large = await maxRss(3_000);
    // 180 MB went through.
    expect(large - small).toBeLessThan(40_000_000);
  });
});

describe("the operator's commands", () => {
  // Not the time-out: who has mistyped a name waits for nothing.
  it.each([
    ['drain', 'aa'],
    ['undrain', 'aa'],
    ['log-level', 'info', '--node', 'aa'],
    ['step-down', '--to', 'aa'],
  ])('%s names the nodes there are where none has the given name', async (...args) => {
    const { exitCode, errors } = await runCli([...args, '--yes', '--url', url]);
    expect(errors).toContain('There is no node aa: those that are up are a. Nothing was done.');
    expect(exitCode).toBe(exitCodes.usage);
  });

  it('step-down to who leads already changes nothing, and is no failure', async () => {
    const { exitCode, out } = await runCli(['step-down', '--to', 'a', '--yes', '--url', url]);
    expect(out).toBe('shard 0  is led by a already\n');
    expect(exitCode).toBe(exitCodes.ok);
  });

  it('status shows the node, its shard and who is connected', async () => {
    const { exitCode, out } = await runCli(['status', '--url', url]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(out).toMatch(/^node a {2}cluster verdict {2}ready$/m);
    expect(out).toMatch(/^inventory +\S+ +1/m);
    const json = JSON.parse((await runCli(['status', '--url', url, '--json'])).out) as object;
    expect(json).toMatchObject({
      node: 'a',
      ready: true,
      shards: [{ shard: 0, leader: { node: 'a' }, attention: 0 }],
      participants: [{ participant: 'inventory' }, { participant: 'payment' }],
    });
  });

  it('tx list and tx show tell of a transaction and why it aborted', async () => {
    await runCli(['submit', '-', '--url', url], lineOf('listed', { vote: 'conflict' }));
    const list = JSON.parse(
      (await runCli(['tx', 'list', '--url', url, '--json', '--limit', '1'])).out,
    ) as {
      transactions: { txid: string; requestId: string }[];
    };
    const { txid = '', requestId } = list.transactions[0] ?? {};
    expect(requestId).toBe('listed');
    const shown = await runCli(['tx', 'show', txid, '--url', url]);
    expect(shown.exitCode).toBe(exitCodes.ok);
    expect(shown.out).toMatch(/^state {4}ABORTED$/m);
    expect(shown.out).toMatch(/^request {2}listed$/m);
    expect(shown.out).toMatch(/^reason {3}CONFLICT inventory: /m);
    const aborted = await runCli(['tx', 'list', '--url', url, '--state', 'aborted']);
    expect(aborted.out).toContain(txid);
    expect((await runCli(['tx', 'list', '--url', url, '--attention'])).out).toContain(
      'All is well: no transaction needs attention.',
    );
    const never = txid.replace(/[0-9a-z]{9}(?=\.[0-9a-z]{13}$)/, 'zzzzzzzzz');
    const unknown = await runCli(['tx', 'show', never, '--url', url, '--json']);
    expect(unknown.exitCode).toBe(exitCodes.notDone);
    expect(JSON.parse(unknown.errors)).toMatchObject({ error: { code: 'UNKNOWN_TRANSACTION' } });
  });

  it('tx list --attention and tx show tell of a commit that fails, with its cause, from the first attempt to the last', async () => {
    const listed = async (...flags: readonly string[]): Promise<string> =>
      (await runCli(['tx', 'list', '--url', url, ...flags])).out;
    const { out } = await runCli(
      ['submit', '-', '--url', url],
      lineOf(null, { commitFails: true }),
    );
    const [txid = ''] = /0\.[0-9a-z.]{40,}/.exec(out) ?? [];
    const cause = /inventory: column "total" does not exist/;
    await expect.poll(() => listed('--state', 'COMMITTING'), { timeout: 20_000 }).toMatch(cause);
    // Whether it is flagged already or not: no one is told that all is well.
    expect(await listed('--attention')).toMatch(cause);
    await expect
      .poll(() => listed('--attention'), { timeout: 60_000 })
      .toMatch(new RegExp(`^${txid} +COMMITTING !.*${cause.source}`, 'm'));
    const shown = await runCli(['tx', 'show', txid, '--url', url]);
    expect(shown.out).toMatch(/^state +COMMITTING +attention/m);
    expect(shown.out).toMatch(/^inventory .*committing .*column "total" does not exist/m);
    isMended = true;
    await expect.poll(() => listed('--attention'), { timeout: 60_000 }).toMatch(/All is well/);
  });

  it('resolve aborts what is not decided, and the participants and submit hear of it', async () => {
    late = Promise.withResolvers();
    latePrepares = 0;
    const submit = startCli(['submit', '-', '--url', url]);
    submit.process.stdin?.end(lineOf('forced', { vote: 'late' }));
    await until('it is being prepared', () => latePrepares === 1);
    const list = JSON.parse(
      (await runCli(['tx', 'list', '--url', url, '--json', '--state', 'PREPARING'])).out,
    ) as { transactions: { txid: string }[] };
    const txid = list.transactions[0]?.txid ?? '';
    const refused = await runCli(['resolve', txid, '--url', url]);
    expect(refused.exitCode).toBe(exitCodes.usage);
    const forced = await runCli(['resolve', txid, '--yes', '--url', url, '--json']);
    expect(JSON.parse(forced.out)).toMatchObject({ txid, decision: 'abort' });
    const { out, exitCode } = await submit.ended;
    late.resolve();
    expect(out).toMatch(/^forced {2}\S+ {2}aborted {2}FORCED/);
    expect(exitCode).toBe(exitCodes.ok);
  });

  it('recover finds nothing left over', async () => {
    const { exitCode, out } = await runCli(['recover', '--url', url, '--json']);
    expect(exitCode).toBe(exitCodes.ok);
    expect(JSON.parse(out)).toEqual({ pending: expect.any(Number), resumed: 0 });
  });

  it('retire shuts an instance out', async () => {
    const retire = ['retire', 'shipping', 'lost-store', '--force', '--yes', '--url', url];
    const retired = await runCli(retire);
    expect(retired).toMatchObject({
      exitCode: exitCodes.ok,
      out: 'Instance lost-store of shipping is retired: every node has heard of it.\n',
    });
    const both = ['retire', 'shipping', '--shared-resource', 'shipping-db', '--yes', '--url', url];
    expect(await runCli([...both, '--force'])).toMatchObject({
      exitCode: exitCodes.ok,
      out: expect.stringContaining('The shared resource shipping-db of shipping'),
    });
    const neither = await runCli(['retire', 'shipping', '--yes', '--url', url]);
    expect(neither).toMatchObject({ exitCode: exitCodes.usage });
  });

  it('rebind gives an instance to another identity', async () => {
    const asked = ['--identity', 'stock-eu', '--yes', '--url', url];
    const refused = await runCli(['rebind', 'shipping', 'some-instance', ...asked]);
    expect(refused).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
    expect(refused.errors).toMatch(/no access file, .*Nothing was done.*--force/);
    const to = [...asked, '--force'];
    expect(await runCli(['rebind', 'shipping', 'some-instance', ...to])).toMatchObject({
      exitCode: exitCodes.ok,
      out: 'Instance some-instance of shipping belongs to stock-eu: every node has heard of it.\n',
    });
    const shared = ['rebind', 'shipping', '--shared-resource', 'other-db', '--json', ...to];
    const { exitCode, out } = await runCli(shared);
    expect(exitCode).toBe(exitCodes.ok);
    expect(JSON.parse(out)).toEqual({
      participant: 'shipping',
      sharedResource: 'other-db',
      identity: 'stock-eu',
      rebound: true,
    });
    // What was retired is given to no one, whatever is said.
    const retired = ['rebind', 'shipping', '--shared-resource', 'shipping-db', ...to];
    const gone = await runCli(retired);
    expect(gone).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
    expect(gone.errors).toBe(
      'error: The shared resource shipping-db of shipping was retired, for good, and can be given to no one. Nothing was done. A shared resource of another name belongs to the identity that is the first to come with it.\n',
    );
  });

  it('retire refuses a name that no one knows, and warns of an instance that is connected', async () => {
    const retire = (...what: string[]) => runCli(['retire', ...what, '--yes', '--url', url]);
    const refused = await retire('inventry', 'lost-store');
    expect(refused).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
    expect(refused.errors).toMatch(
      /No instance lost-store of inventry is known: .*Nothing was done\. .*the nearest first: inventory.*--force\./,
    );
    const resource = await retire('inventry', '--shared-resource', 'db');
    expect(resource.errors).toContain('No shared resource db of inventry is known');
    // What was given up before is known, and may be given up again.
    expect(await retire('inventry', 'lost-store', '--force')).toMatchObject({ exitCode: 0 });
    expect(await retire('inventry', 'lost-store')).toMatchObject({ exitCode: 0 });
    const { participants } = JSON.parse((await runCli(['status', '--json', '--url', url])).out) as {
      participants: { participant: string; instance: string }[];
    };
    const { instance = '' } = participants.find((one) => one.participant === 'inventory') ?? {};
    expect((await retire('inventory', instance)).errors).toContain('It is connected');
  });
});

describe('serve', () => {
  it('says what to do where the port is taken', async () => {
    const { exitCode, errors } = await runCli([
      'serve',
      '--data',
      join(directory, 'other'),
      '--listen',
      url,
    ]);
    expect(exitCode).toBe(exitCodes.fault);
    expect(errors).toContain('The node cannot run. Cannot listen on');
    expect(errors).not.toContain('\n    at ');
  });

  it('says what to do where the data has an owner', async () => {
    const { exitCode, errors } = await runCli([
      'serve',
      '--data',
      join(directory, 'node'),
      '--listen',
      '127.0.0.1:0',
    ]);
    expect(exitCode).toBe(exitCodes.fault);
    expect(errors).toContain('The node cannot run. The directory');
    expect(errors).not.toContain('\n    at ');
  });

  it('lets in only who brings the token', async () => {
    const port = await freePort();
    const token = fileOf('token', 'open-sesame\n');
    const guarded = startCli([
      'serve',
      '--data',
      join(directory, 'guarded'),
      '--listen',
      `127.0.0.1:${port}`,
      '--token-file',
      token,
    ]);
    try {
      await until('the guarded node is ready', () => guarded.errors().includes('Ready.'));
      const without = await runCli(['status', '--url', `127.0.0.1:${port}`]);
      expect(without.exitCode).toBe(exitCodes.notDone);
      expect(without.errors).toContain('token');
      const refused = await runCli(['submit', '-', '--url', `127.0.0.1:${port}`], lineOf('x'));
      expect(refused.exitCode).toBe(exitCodes.notDone);
      const brought = await runCli(['status', '--url', `127.0.0.1:${port}`, '--token-file', token]);
      expect(brought.exitCode).toBe(exitCodes.ok);
    } finally {
      guarded.process.kill('SIGTERM');
      expect((await guarded.ended).exitCode).toBe(exitCodes.ok);
    }
  });

  it('is not there: submit says so', async () => {
    const dead = `127.0.0.1:${await freePort()}`;
    const { exitCode, errors } = await runCli(
      ['submit', '-', '--url', dead, '--timeout', '300'],
      lineOf('x'),
    );
    expect(exitCode).toBe(exitCodes.unreachable);
    expect(errors).toContain('Is `npx verdict serve` running?');
  });

  it('goes away and stays away: submit stops, and says where to go on', async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const data = join(directory, 'gone');
    const lonely = ['serve', '--data', data, '--listen', listen, '--option', 'participantWaitMs=0'];
    const gone = startCli(lonely);
    await until('the node is ready', () => gone.errors().includes('Ready.'));
    const file = fileOf('gone.jsonl', linesOf('gone', 100_000));
    const submit = startCli(['submit', file, '--url', listen, '--timeout', '700']);
    await until('some have ended', () => submit.out().split('\n').length > 100);
    gone.process.kill('SIGKILL');
    const { exitCode, out, errors } = await submit.ended;
    expect(exitCode).toBe(exitCodes.unreachable);
    const last = Number(/after line ([0-9,]+):/.exec(errors)?.[1]?.replaceAll(',', ''));
    expect(errors).toContain(`tail -n +${last + 1} ${file} | verdict submit - --url ${listen}`);
    expect(out.trim().split('\n')).toHaveLength(last);
    expect(last).toBeLessThan(100_000);
  });
});
