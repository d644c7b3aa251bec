import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isBusy, type Measurement, newest, thisMachine } from '../../bench/suite/results.ts';
import { runSections } from '../../bench/suite/run.ts';
import type { Section, SectionGiven } from '../../bench/suite/section.ts';
import { sections } from '../../bench/suite/sections.ts';

const usual = { quick: false, soakMs: 10, kills: 1 } as const;
const nothing = { tables: [], charts: [], targets: [] };
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-test-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function section(name: string, run: Section['run']): Section {
  return { name, title: `Of ${name}`, about: 'About it.', run };
}

describe('runSections', () => {
  it('gives each what was asked for, and a folder of its own that is removed', async () => {
    const given: SectionGiven[] = [];
    const keep = async (each: SectionGiven) => {
      expect(readdirSync(each.directory)).toEqual([]);
      writeFileSync(join(each.directory, 'store'), 'x');
      given.push(each);
      return nothing;
    };
    const { measurements, failures } = await runSections({
      sections: [section('one', keep), section('two', keep)],
      durationMs: 10,
      rounds: 2,
      ...usual,
      directory,
      machine: thisMachine(),
      progress: () => undefined,
    });
    expect(failures).toEqual([]);
    expect(measurements.map(({ name, rounds, findings }) => [name, rounds, findings])).toEqual([
      ['one', 2, nothing],
      ['two', 2, nothing],
    ]);
    expect(given).toMatchObject([{ durationMs: 10, rounds: 2 }, { durationMs: 10 }]);
    expect(new Set(given.map((each) => each.directory)).size).toBe(2);
    expect(given.filter((each) => existsSync(each.directory))).toEqual([]);
  });

  it('goes on after one that fails, and tells of each as it ends', async () => {
    const told: string[] = [];
    const kept: number[][] = [];
    const { measurements, failures } = await runSections({
      sections: [
        section('bad', () => Promise.reject(new Error('no etcd here'))),
        section('worse', () => {
          throw new Error('at once');
        }),
        section('good', async ({ progress }) => {
          progress('half of it');
          return nothing;
        }),
      ],
      durationMs: 10,
      rounds: 1,
      ...usual,
      directory,
      machine: thisMachine(),
      progress: (text) => told.push(text),
      measured: ({ name }) => told.push(`measured ${name}`),
      failed: ({ name }) => told.push(`failed ${name}`),
      keep: async (soFar) => {
        kept.push([soFar.measurements.length, soFar.failures.length]);
      },
    });
    expect(kept).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
    expect(measurements.map(({ name }) => name)).toEqual(['good']);
    expect(failures.map(({ name, error }) => [name, error.split('\n')[0]])).toEqual([
      ['bad', 'Error: no etcd here'],
      ['worse', 'Error: at once'],
    ]);
    expect(told.filter((text) => text !== '')).toEqual([
      'bad: starting',
      'failed bad',
      'worse: starting',
      'failed worse',
      'good: starting',
      'good: half of it',
      'measured good',
    ]);
    expect(readdirSync(directory)).toEqual([]);
  });
});

it('ends the run with a section that hangs, says where it was, and removes its folder', async () => {
  const failed: string[] = [];
  const { measurements, failures } = await runSections({
    sections: [
      section('stuck', ({ progress }) => {
        progress('half of it');
        return new Promise(() => undefined);
      }),
      section('after', async () => nothing),
    ],
    durationMs: 10,
    rounds: 1,
    ...usual,
    timeoutMs: 50,
    directory,
    machine: thisMachine(),
    progress: () => undefined,
    failed: ({ name }) => failed.push(name),
  });
  expect(measurements).toEqual([]);
  expect(failed).toEqual(['stuck']);
  expect(failures[0]?.error).toContain('It did not end in 50 ms. At last: half of it.');
  expect(readdirSync(directory)).toEqual([]);
});

it.each([[[1]], [[1, 2, 3]]])('refuses a table of two columns with the row %j', async (row) => {
  const table = { title: 'Shifted', columns: ['x', 'y'], rows: [[1, 2], row] };
  const { measurements, failures } = await runSections({
    sections: [section('odd', async () => ({ ...nothing, tables: [table] }))],
    durationMs: 10,
    rounds: 1,
    ...usual,
    directory,
    machine: thisMachine(),
    progress: () => undefined,
  });
  expect(measurements).toEqual([]);
  expect(failures[0]?.error).toContain(`"Shifted" has 2 columns and a row of ${row.length}`);
});

describe('newest', () => {
  const measurement = (name: string, tookMs: number) => ({ name, tookMs }) as Measurement;

  it('keeps what was not measured again, in the order of the sections, and drops what is no more', () => {
    const before = [measurement('b', 1), measurement('gone', 1), measurement('c', 1)];
    const now = [measurement('c', 2), measurement('a', 2)];
    const all = ['a', 'b', 'c', 'd'].map((name) => ({ name }));
    expect(newest(all, before, now)).toEqual([
      measurement('a', 2),
      measurement('b', 1),
      measurement('c', 2),
    ]);
  });
});

it('calls a machine busy of which half is taken', () => {
  const machine = { ...thisMachine(), cores: 4 };
  expect([2, 2.1].map((loadBefore) => isBusy({ ...machine, loadBefore }))).toEqual([false, true]);
});

describe('the sections', () => {
  it('have names for the command line, each once', () => {
    const names = sections.map(({ name }) => name);
    expect(names.filter((name) => !/^[a-z][a-z-]*$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
});
