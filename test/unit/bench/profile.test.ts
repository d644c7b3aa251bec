import { expect, it } from 'vitest';
import type { SelfTime } from '../../bench/rig/probe.ts';
import { byPart } from '../../bench/suite/profile.ts';

const self = (name: string, file: string, us: number): SelfTime => ({
  function: name,
  file,
  line: 1,
  us,
});

it('puts each function into one part, and leaves out what waits and what samples', () => {
  const sums = byPart([
    self('(idle)', '', 1_000),
    self('post', 'node:inspector', 500),
    self('(garbage collector)', '', 1),
    self('pack', 'file:///clone/node_modules/msgpackr/pack.js', 2),
    self('emit', 'node:events', 4),
    self('writev', '', 8),
    self('step', 'file:///clone/src/core/term/term.ts', 16),
    self('flush', 'file:///clone/src/store/group-commit.ts', 32),
    self('main', 'file:///clone/test/bench/participants.ts', 64),
  ]);
  expect(Object.fromEntries([...sums].filter(([, us]) => us > 0))).toEqual({
    'garbage collection': 1,
    msgpackr: 2,
    "Node's own: sockets, timers, promises": 4,
    'native: system calls, flushes, copies': 8,
    'src/core': 16,
    'src/decision-log, src/journal, src/store': 32,
    'everything else': 64,
  });
});
