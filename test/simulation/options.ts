/**
 * The options of nodes and participants, as a run draws them: the same for all, or for each and at
 * each start its own.
 */
import type { CoordinatorOptions } from '../../src/core/coordinator-options.ts';
import type { ParticipantOptions } from '../../src/core/participant-options.ts';
import type { Plan } from './plan.ts';
import { Chance } from './world/chance.ts';

export const maxTransactionTimeoutMs = 10_000;
export const retentionMs = 60_000;

export interface NodeSettings {
  readonly leaseTtlMs: number;
  readonly coordinator: Partial<CoordinatorOptions>;
}

/** `fitness`: a chance of its own, so that what else is drawn does not depend on it. */
export function drawCoordinator(draw: {
  readonly chance: Chance;
  readonly fitness: Chance;
  readonly retentionMs: number;
  readonly tickMs: number;
}): Partial<CoordinatorOptions> {
  const { chance, fitness } = draw;
  return {
    transactionTimeoutMs: 5_000,
    maxTransactionTimeoutMs,
    prepareTimeoutMs: Math.round(chance.logarithmic(200, 5_000)),
    participantWaitMs: chance.pick([0, 200, 1_000, 2_000]),
    prepareTimeoutMsMin: fitness.pick([0, 200, 2_000]),
    participantWindow: fitness.pick([1, 2, 256]),
    participantQueue: fitness.pick([0, 2, 1_024]),
    commandWindow: fitness.pick([1, 2, 256]),
    breakerAfter: fitness.pick([0, 1, 5]),
    breakerPauseMs: fitness.pick([50, 1_000]),
    ackTimeoutMs: Math.round(chance.logarithmic(100, 2_000)),
    retryDelayMs: 50,
    maxRetryDelayMs: Math.round(chance.logarithmic(200, 5_000)),
    attentionAfter: 3,
    maxRecent: chance.pick([0, 2, 10_000]),
    retentionMs: draw.retentionMs,
    tickMs: draw.tickMs,
    heartbeatMs: Math.round(chance.logarithmic(300, 5_000)),
    drainMs: chance.pick([0, 500, 3_000]),
  };
}

export function drawParticipant(chance: Chance): Partial<ParticipantOptions> {
  return {
    patienceMs: Math.round(chance.logarithmic(50, 5_000)),
    queryTimeoutMs: Math.round(chance.logarithmic(100, 2_000)),
    workingMs: chance.pick([0, 200, 1_000]),
    retryDelayMs: 50,
    maxRetryDelayMs: Math.round(chance.logarithmic(200, 5_000)),
    reportPage: chance.pick([1, 3, 1_000]),
    // Twice the longest time-out, and what may lie in a network meanwhile.
    tombstoneMs: 2 * maxTransactionTimeoutMs + 30_000,
    maxConcurrency: chance.pick([1, 4, 1_024]),
    lockLimitMs: 20_000,
  };
}

/**
 * With which options a node starts for the `start`-th time: an operator may have changed all but
 * what must be agreed on.
 */
export function nodeSettings(plan: Plan, name: string, start: number): NodeSettings {
  if (plan.faults['options-differ'] === undefined) return plan;
  const chance = new Chance(plan.seed, `options ${name}/${start}`);
  const coordinator = drawCoordinator({
    chance,
    fitness: chance,
    retentionMs: chance.pick([0, retentionMs, 10 * retentionMs]),
    tickMs: Math.round(chance.logarithmic(200, 10_000)),
  });
  return {
    leaseTtlMs: chance.pick([2_000, 3_000]),
    coordinator: { ...coordinator, maxFinished: chance.pick([1, 100_000]) },
  };
}

export function participantSettings(
  plan: Plan,
  name: string,
  start: number,
): Partial<ParticipantOptions> {
  if (plan.faults['options-differ'] === undefined) return plan.participant;
  return drawParticipant(new Chance(plan.seed, `options ${name}/${start}`));
}
