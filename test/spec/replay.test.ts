import { describe, expect, it } from 'vitest';
import { momentsOf } from './itf.ts';
import { protocol, scenarios } from './models.ts';
import { itfOf } from './quint.ts';
import { Replay } from './replay.ts';
import { maxSteps, specified } from './specification.ts';

/** Every kind of step that the core has a part in. */
const compared =
  `adopted, begins, transact, prepare, persists, refuses, vote commit, vote abort, written, aborted,
  commit, rollback, ack commit, ack abort, done, forget, readRequest, heardRequest, heardRequestUncertainly, timesOut,
  deposed, giveUp, readFate, scans, adopts, restarts, asksLeader, asksNode, answer commit, answer abort, clientAsks,
  resolves, reportsKept, collects, aborted as a duplicate`.split(/,\s+/);
const tracesPerScenario = 30;

describe('the production core does what the specification does', () => {
  it('in every step of traces of every scenario', async () => {
    const specification = specified(protocol);
    const met = new Set<string>();
    const steps = ['replayStep', 'replayStep', 'replayStep', ...scenarios];
    for (const [index, step] of steps.entries()) {
      const samples = tracesPerScenario;
      const { traces } = specification.simulate({
        step,
        invariant: 'invariants',
        samples,
        steps: maxSteps,
        seed: BigInt(index + 1) * 2n ** 40n,
        traces: samples,
      });
      expect(traces).toHaveLength(samples);
      for (const { states, seed } of traces) {
        const replay = new Replay();
        await replay.run(momentsOf(itfOf(['s', 'event'], states))).catch((error: Error) => {
          throw new Error(`${step}, seed ${seed}: ${error.message}`, { cause: error });
        });
        for (const act of replay.compared.keys()) met.add(act);
      }
    }
    expect(compared.filter((act) => !met.has(act))).toEqual([]);
  });
});
