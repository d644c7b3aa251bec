/** The audit log on disk: set aside, moved, full, and at the end of the process. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../src/ports/audit.ts';
import { AuditFile, type AuditFileOptions } from '../../../src/system/audit-file.ts';
import { eventually } from '../../support/process/child.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

interface Line {
  readonly number: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

let directory: string;
let file: string;
let clock: ManualClock;
let problems: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-audit-'));
  file = join(directory, 'audit.jsonl');
  clock = new ManualClock();
  problems = [];
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function open(options: Partial<AuditFileOptions> = {}): Promise<AuditFile> {
  const problem = (text: string): void => {
    problems.push(text);
  };
  return AuditFile.open({ file, node: 'a', clock, maxBytes: 0, files: 3, problem, ...options });
}

function knock(why = 'The token is wrong.'): AuditEvent {
  const event = { event: 'connection-refused', stage: 'upgrade', code: 'HTTP_401' } as const;
  return { ...event, address: '10.0.0.9', why };
}

const retired: AuditEvent = { event: 'retired', participant: 'p', instance: 'i' };

function linesOf(path: string): Line[] {
  const text = readFileSync(path, 'utf8');
  expect(text.endsWith('\n'), `${path} ends with a whole line`).toBe(true);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

function written(count: number, path = file): Promise<Line[]> {
  return eventually(
    async () => {
      await clock.advance(0);
      if (!existsSync(path)) return null;
      const lines = readFileSync(path, 'utf8').split('\n').length - 1;
      return lines >= count ? linesOf(path) : null;
    },
    () => `${count} lines in ${path}`,
  );
}

describe('a line', () => {
  it('has the time, the node and a number, and says no more than it must to a terminal', async () => {
    const audit = await open();
    audit.write(knock('x\u202Ey\u001B[2J\nz'));
    audit.write(retired);
    await audit.close();
    expect(readFileSync(file, 'utf8')).not.toContain('\u202E');
    expect(readFileSync(file, 'utf8')).not.toContain('\u001B');
    const time = new Date(clock.wallMs()).toISOString();
    expect(linesOf(file)).toEqual([
      { time, node: 'a', number: 1, ...knock('x\u202Ey\u001B[2J\nz') },
      { time, node: 'a', number: 2, ...retired },
    ]);
  });

  it('is for this user alone, and goes behind what is there', async () => {
    for (const round of [1, 2]) {
      const audit = await open();
      audit.write(retired);
      await audit.close();
      expect(linesOf(file)).toHaveLength(round);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('is not glued to one whose end was never written', async () => {
    appendFileSync(file, '{"half":');
    const audit = await open();
    audit.write(retired);
    await audit.close();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[1] ?? '')).toMatchObject(retired);
  });
});

describe('a place', () => {
  it('is refused where another could have put it, or could hold the node up', async () => {
    const secret = join(directory, 'another');
    writeFileSync(secret, '');
    symlinkSync(secret, file);
    await expect(open()).rejects.toThrow('symbolic link');
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(open({ file: pipe })).rejects.toThrow('neither a file nor a device');
    await expect(open({ file: directory })).rejects.toThrow('it is a directory');
    await expect(open({ file: join(directory, 'none', 'x') })).rejects.toThrow('does not exist');
    expect(readFileSync(secret, 'utf8')).toBe('');
  });
});

describe('a file of its own', () => {
  const inUse = /is written by another running process\. Give each node a file of its own\./;

  it.each([0o620, 0o602, 0o666])('is refused where others may write it: %o', async (mode) => {
    writeFileSync(file, '');
    chmodSync(file, mode);
    await expect(open()).rejects.toThrow(`Run chmod 600 ${file}.`);
    chmodSync(file, 0o644);
    await (await open()).close();
  });

  it("is one process's, also after it was opened anew, until that one ends", async () => {
    const audit = await open();
    await expect(open()).rejects.toThrow(inUse);
    // Told to, though no one has moved it.
    audit.write(retired);
    await written(1);
    audit.reopen();
    audit.write(retired);
    await written(2);
    await expect(open()).rejects.toThrow(inUse);
    renameSync(file, `${file}.old`);
    audit.reopen();
    audit.write(retired);
    await written(1);
    await expect(open()).rejects.toThrow(inUse);
    await audit.close();
    await (await open()).close();
    expect(problems).toEqual([]);
  });

  it('is free once the process that had it was killed with -9', async () => {
    const place = new URL('../../../src/system/append-file.ts', import.meta.url).href;
    const script = `
      const { openAppendFile, lockAppendFile } = await import(${JSON.stringify(place)});
      console.log(lockAppendFile(await openAppendFile(${JSON.stringify(file)})));
      setInterval(() => undefined, 1_000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const ended = once(child, 'exit');
    try {
      const [said] = await once(child.stdout, 'data');
      expect(String(said)).toBe('true\n');
      await expect(open()).rejects.toThrow(inUse);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    await (await open()).close();
  });

  it('that others may write goes on where it came to be meanwhile, and the log says so', async () => {
    const audit = await open();
    renameSync(file, `${file}.old`);
    writeFileSync(file, '');
    chmodSync(file, 0o660);
    audit.reopen();
    audit.write(retired);
    await written(1);
    await audit.close();
    expect(linesOf(file)).toHaveLength(1);
    expect(problems).toEqual([expect.stringContaining('Others may write ')]);
  });
});

describe('a file that is full', () => {
  it('is set aside, and of those there are no more than were asked for', async () => {
    const audit = await open({ maxBytes: 2_000, files: 3 });
    for (let count = 1; count <= 40; count += 1) {
      audit.write(knock());
      if (count === 1) await written(1);
      // Each alone: what leaves in one write goes into one file.
      else
        await eventually(
          () => (audit.held.bytes === 0 ? true : null),
          () => 'the line',
        );
    }
    await audit.close();
    const names = readdirSync(directory).sort();
    expect(names).toEqual(['audit.jsonl', 'audit.jsonl.1', 'audit.jsonl.2']);
    for (const name of names) {
      expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(2_000);
    }
    const numbers = [...names]
      .reverse()
      .flatMap((name) => linesOf(join(directory, name)).map(({ number }) => number));
    const first = 41 - numbers.length;
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => first + index));
    expect(problems).toEqual([]);
  });

  it('grows where it cannot be set aside, and the log says so', async () => {
    const audit = await open({ maxBytes: 500, files: 2 });
    mkdirSync(join(directory, 'audit.jsonl.1'));
    for (let count = 1; count <= 20; count += 1) {
      audit.write(knock());
      await eventually(
        () => (audit.held.bytes === 0 ? true : null),
        () => 'the line',
      );
    }
    await audit.close();
    expect(linesOf(file)).toHaveLength(20);
    expect(problems).toEqual([expect.stringContaining('cannot be set aside')]);
  });
});

describe('a file that was moved', () => {
  it('has a new one in its place when it is told so', async () => {
    const audit = await open();
    audit.write(retired);
    await written(1);
    renameSync(file, `${file}.old`);
    audit.reopen();
    audit.write(retired);
    await written(1);
    await audit.close();
    expect(linesOf(`${file}.old`).map(({ number }) => number)).toEqual([1]);
    expect(linesOf(file).map(({ number }) => number)).toEqual([2]);
  });

  it('is missed a second later where no one told', async () => {
    const audit = await open();
    audit.write(retired);
    await written(1);
    rmSync(file);
    clock.jump(1_000);
    audit.write(retired);
    await written(1);
    await audit.close();
    expect(linesOf(file).map(({ number }) => number)).toEqual([2]);
  });
});

describe('a disk that takes nothing', () => {
  it('costs no more than the memory that is set aside, and is told once a minute', async () => {
    const audit = await open({ file: '/dev/full', maxBufferedBytes: 4_000 });
    for (let count = 0; count < 200; count += 1) audit.write(knock());
    expect(audit.held.bytes).toBeLessThanOrEqual(4_000);
    expect(audit.held.lost).toBeGreaterThan(100);
    for (let count = 0; count < 200; count += 1) audit.write(retired);
    expect(audit.held.bytes).toBeLessThanOrEqual(8_000);
    expect(audit.held.bytes).toBeGreaterThan(7_000);
    await eventually(
      () => (problems.length > 0 ? true : null),
      () => 'a word in the log',
    );
    expect(problems).toEqual([expect.stringMatching(/ENOSPC.* lines are lost/)]);
    for (let second = 0; second < 59; second += 1) await failing(audit);
    expect(problems).toHaveLength(1);
    for (let second = 0; second < 3; second += 1) await failing(audit);
    expect(problems).toHaveLength(2);
    const closing = audit.close();
    await eventually(
      async () => {
        await clock.advance(1_000);
        return problems.length > 2 ? true : null;
      },
      () => 'the end',
    );
    await closing;
    expect(problems.at(-1)).toMatch(/ends without its last 400 lines/);
  });

  /** One more second, and one more attempt. */
  async function failing(audit: AuditFile): Promise<void> {
    await clock.advance(1_000);
    const { bytes } = audit.held;
    expect(bytes).toBeGreaterThan(0);
    await eventually(
      () => (clock.timers > 0 ? true : null),
      () => 'the next attempt',
    );
  }

  it('says how many lines were lost as soon as it takes them again', async () => {
    const audit = await open({ maxBufferedBytes: 4_000 });
    audit.write(retired);
    await written(1);
    renameSync(directory, `${directory}-away`);
    audit.reopen();
    for (let count = 0; count < 100; count += 1) audit.write(knock());
    audit.write(retired);
    const { lost } = audit.held;
    expect(lost).toBeGreaterThan(50);
    await eventually(
      () => (clock.timers > 0 ? true : null),
      () => 'the first attempt',
    );
    expect(problems).toEqual([expect.stringContaining('does not exist')]);
    renameSync(`${directory}-away`, directory);
    await clock.advance(1_000);
    const lines = await written(1 + 100 - lost + 1 + 1);
    audit.write(knock());
    await audit.close();
    expect(lines.at(-2)).toMatchObject(retired);
    expect(lines.at(-1)).toMatchObject({ event: 'lines-lost', count: lost });
    expect(linesOf(file).at(-1)).toMatchObject({ event: 'connection-refused', number: 104 });
  });
});

describe('the end of a process that does not wait', () => {
  it('writes what there is', async () => {
    const audit = await open();
    audit.write(retired);
    audit.write(knock());
    audit.flushSync();
    audit.write(knock());
    const numbers = linesOf(file).map(({ number }) => number);
    expect([...new Set(numbers)].sort()).toEqual([1, 2]);
    await settle();
    await audit.close();
  });

  it('does not wait for a disk that is full', async () => {
    const audit = await open({ file: '/dev/full' });
    audit.write(retired);
    audit.flushSync();
    expect(problems).toEqual([expect.stringContaining('ends without its last 1 lines')]);
  });
});
