import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { statusLines } from '../../../src/cli/operator/status.ts';
import { listLines } from '../../../src/cli/operator/transactions.ts';
import { table, widthOf } from '../../../src/cli/table.ts';
import { memoryIo } from '../../support/process/cli-io.ts';
import { fromNodeSamples } from '../../support/samples/samples.ts';

const plain = createColors(false);

describe('table', () => {
  it('aligns columns, and leaves no blanks at the ends of lines', () => {
    const lines = table<{ name: string; count: number }>(
      [
        { head: 'NAME', cell: ({ name }) => name },
        { head: 'COUNT', cell: ({ count }) => count, align: 'right' },
        { head: 'NOTE', cell: ({ name }) => (name === 'a' ? 'x' : '') },
      ],
      [
        { name: 'a', count: 1 },
        { name: 'longer', count: 12_345 },
      ],
    );
    expect(lines).toEqual(['NAME     COUNT  NOTE', 'a            1  x', 'longer  12,345']);
  });

  it('puts what has no room below its row, by name, and wraps what is too long even there', () => {
    const lines = table<{ name: string; why: string }>(
      [
        { head: 'NAME', cell: ({ name }) => name },
        { head: 'COUNT', cell: () => 7, align: 'right' },
        { head: 'WHY', cell: ({ why }) => why },
        { head: 'ELSE', cell: () => '-' },
      ],
      [
        { name: 'a', why: 'short' },
        { name: 'b', why: 'a reason of several words that is long' },
      ],
      20,
    );
    expect(lines).toEqual([
      'NAME  COUNT',
      'a         7',
      '    WHY short',
      'b         7',
      '    WHY a reason of',
      '    several words',
      '    that is long',
    ]);
  });

  it('is as wide as the terminal, 80 columns where that does not say, and a line a row in a pipe', () => {
    const { stdout } = memoryIo();
    expect(widthOf(stdout)).toBe(Number.POSITIVE_INFINITY);
    expect(widthOf(Object.assign(stdout, { isTTY: true }))).toBe(80);
    expect(widthOf(Object.assign(stdout, { columns: 120 }))).toBe(120);
  });
});

describe('status', () => {
  const counted = { shard: 0, states: {}, attention: 0 };
  const leader = { node: 'b', url: 'ws://b:7070/v1', epoch: '00010000000000001' };
  const info = (shards: readonly object[]) =>
    ({ ...fromNodeSamples.info, shards }) as unknown as Parameters<typeof statusLines>[0];

  it('names whom to ask for counts that the node does not have', () => {
    const shards = [
      { shard: 0, leader },
      { shard: 1, leader },
      { shard: 2, leader: null },
    ];
    const lines = statusLines(info(shards), plain).filter((line) => line.startsWith('-: '));
    expect(lines).toEqual([
      '-: only its leader counts. Ask it: verdict status --url ws://b:7070/v1',
    ]);
  });

  it('names it by the address at which it is reached from here', () => {
    const reached = new Map([['b', '127.0.0.1:7072']]);
    const lines = statusLines(info([{ shard: 0, leader }]), plain, undefined, reached);
    expect(lines).toContain(
      '-: only its leader counts. Ask it: verdict status --url 127.0.0.1:7072',
    );
  });

  it('says what is to be mended, without its control characters', () => {
    const problems = ['Etcd refuses this account.\u001b[2J'];
    const lines = statusLines({ ...info([]), problems }, plain);
    expect(lines.at(-1)).toMatch(/^PROBLEM: Etcd refuses this account\./);
    expect(lines.at(-1)).not.toContain('\u001b');
  });

  it('and no one where it has them all', () => {
    const lines = statusLines(info([{ ...counted, leader }]), plain);
    expect(lines.join('\n')).not.toContain('Ask it');
  });
});

describe('queues', () => {
  it('are shown with what is in them and may be, those that are empty left out', () => {
    const queues = [
      ...(fromNodeSamples.info.queues ?? []),
      { queue: 'lists', entries: 0 } as const,
    ];
    const lines = statusLines({ ...fromNodeSamples.info, queues }, plain);
    const from = lines.findIndex((line) => line.startsWith('QUEUE'));
    const cells = lines.slice(from + 1, from + 4).map((line) => line.split(/ {2,}/));
    expect(cells).toEqual([
      ['waiting-for-prepare', '17', '1,024', '-', '-', 'inventory, shard 0'],
      ['held', '-', '-', '52,000', '134,217,728', '-'],
      [''],
    ]);
  });
});

describe('80 columns', () => {
  it('have room for what status and tx list say', () => {
    const { info, list } = fromNodeSamples;
    const lines = [...statusLines(info, plain, 80), ...listLines(list, plain, 80)];
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  });
});
