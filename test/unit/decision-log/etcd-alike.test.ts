/** Nodes that let peers in by other rules than the others: who is named, and from when on. */
import { beforeEach, expect, it } from 'vitest';
import { Alike } from '../../../src/decision-log/etcd/alike.ts';
import { silentLogger } from '../../../src/ports/logger.ts';

let own: string | undefined;
let nowMs: number;
let warned: string[];
let alike: Alike;

beforeEach(() => {
  own = 'file 1';
  nowMs = 0;
  warned = [];
  const logger = {
    ...silentLogger,
    warn: (_fields: object, text: string) => {
      warned.push(text);
    },
  };
  const clock = {
    monotonicMs: () => nowMs,
    wallMs: () => 0,
    setTimer: () => ({ cancel: () => {} }),
  };
  alike = new Alike({ node: 'a', own: () => own, clock, logger });
});

const seen = (others: Readonly<Record<string, string | undefined>>): string | null => {
  const entries = Object.entries(others).map(([node, access]) =>
    access === undefined ? { node } : { node, access },
  );
  // Its own entry may be an older one.
  alike.seen([{ node: 'a', access: 'open' }, ...entries]);
  return alike.problem;
};

it('says nothing where all are alike, or do not say', () => {
  expect(seen({ b: 'file 1', c: undefined })).toBeNull();
  own = undefined;
  expect(seen({ b: 'open' })).toBeNull();
  expect(warned).toEqual([]);
});

it('names at once who has no access file, once in the log, and when that is over', () => {
  expect(seen({ b: 'open', c: 'shared' })).toMatch(/: a have one, b, c have none, /);
  expect(seen({ b: 'open', c: 'shared' })).toMatch(/--access-file/);
  expect(warned).toHaveLength(1);
  expect(seen({ b: 'file 1', c: 'file 1' })).toBeNull();
});

it('names who lets everyone in', () => {
  own = 'shared';
  expect(seen({ b: 'open' })).toMatch(/: a do, b do not, and let everyone in/);
});

it('other files it says only where they stay so: a new one comes to one node after the other', () => {
  expect(seen({ b: 'file 2' })).toBeNull();
  nowMs += 59_999;
  expect(seen({ b: 'file 2' })).toBeNull();
  nowMs += 1;
  expect(seen({ b: 'file 2', c: 'file 2' })).toMatch(/: a \| b, c\. /);
  expect(seen({ b: 'file 1' })).toBeNull();
  expect(seen({ b: 'file 2' })).toBeNull();
});

it('stays one sentence in a large cluster', () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`node-${at}`, 'open']));
  expect(seen(many)).toMatch(/ and 495 more have none/);
});
