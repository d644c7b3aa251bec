/**
 * Flow control: how much may be under way with each participant and on each connection
 * (docs/PROTOCOL.md, section 10). None of it bears on an outcome. The door of the room.
 */
import type { FitnessFacts } from '../../explain/facts.ts';
import type { QueueInfo } from '../../messages.ts';
import type { TermConfig, TermState } from '../state.ts';
import { type Bulkhead, prepareTimeoutMs } from './bulkhead.ts';
import { CommandWindows } from './command-window.ts';

export {
  admit,
  admitWaiting,
  beginLooks,
  leaveQueue,
  notConnected,
  releasePlace,
  unavailable,
} from './admission.ts';
export {
  forgetIdle,
  heardOf,
  participantCame,
  participantWent,
  prepareSent,
  prepareSilent,
  prepareTimeoutMs,
  silentAtDeadline,
  voteCounted,
  votedLate,
} from './bulkhead.ts';
export { overload } from './overload.ts';

export interface ParticipantFlow {
  readonly participant: string;
  /** How many prepares may be under way with it. */
  readonly window: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** Open: refused at once. So is one that has been away for too long. */
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** How long its votes are waited for now; null: as long as the transaction may take. */
  readonly timeoutMs: number | null;
}

export interface FlowState {
  /** By the participant's name. */
  readonly bulkheads: Map<string, Bulkhead>;
  /** Those with places given back, whose queue is still to be looked at. */
  readonly freed: Set<Bulkhead>;
  /** How many who wait may still be looked at in this step. */
  looks: number;
  /** By connection: the commands of phase 2 that are under way on it. */
  readonly commands: CommandWindows;
}

export function flowState({ options }: TermConfig): FlowState {
  const commands = new CommandWindows(options.commandWindow);
  return { bulkheads: new Map(), freed: new Set(), looks: 0, commands };
}

/** Whether someone who waits is to be looked at in this step. */
export function hasFreed({ flow }: TermState): boolean {
  return flow.freed.size > 0 && flow.looks > 0;
}

/** The same, in a step to come: the next one is due at once. */
export function isOwedLooks({ flow }: TermState): boolean {
  return flow.freed.size > 0;
}

/** Those who wait for the participant are looked at again at the end of the step. */
export function offerAgain({ flow }: TermState, participant: string): void {
  const bulkhead = flow.bulkheads.get(participant);
  if (bulkhead !== undefined) flow.freed.add(bulkhead);
}

/** Of all participants the one with the most under way, and the one that most wait for. */
export function flowQueues({ flow, config: { options } }: TermState): QueueInfo[] {
  let busiest: Bulkhead | null = null;
  let longest: Bulkhead | null = null;
  for (const bulkhead of flow.bulkheads.values()) {
    const { window } = bulkhead;
    if (window.outstanding > (busiest?.window.outstanding ?? 0)) busiest = bulkhead;
    if (window.waiting > (longest?.window.waiting ?? 0)) longest = bulkhead;
  }
  const named = (bulkhead: Bulkhead | null) =>
    bulkhead === null ? {} : { participant: bulkhead.participant };
  return [
    {
      queue: 'prepares-under-way',
      entries: busiest?.window.outstanding ?? 0,
      maxEntries: options.participantWindow,
      ...named(busiest),
    },
    {
      queue: 'waiting-for-prepare',
      entries: longest?.window.waiting ?? 0,
      maxEntries: options.participantQueue,
      ...named(longest),
    },
    // Each is a branch of a transaction in memory.
    { queue: 'waiting-for-command', entries: flow.commands.waiting },
  ];
}

/** How one participant fares; null: nothing was ever under way with it. */
export function fitnessOf(state: TermState, participant: string): FitnessFacts | null {
  const bulkhead = state.flow.bulkheads.get(participant);
  if (bulkhead === undefined) return null;
  const { goneSinceMs, breaker, window } = bulkhead;
  return {
    participant,
    goneForMs: goneSinceMs === null ? null : state.ageMs(goneSinceMs),
    breaker: breaker.state,
    retryInMs: breaker.refusal(state.nowMs),
    underWay: window.outstanding,
    window: state.config.options.participantWindow,
    waiting: window.waiting,
  };
}

/** How it stands with each participant that this term has to do with. */
export function flowOf(state: TermState): ParticipantFlow[] {
  const { flow, config, nowMs } = state;
  const { participantWindow: window, participantWaitMs } = config.options;
  const all: ParticipantFlow[] = [];
  for (const bulkhead of flow.bulkheads.values()) {
    const { participant, goneSinceMs, breaker } = bulkhead;
    const isAway = goneSinceMs !== null && nowMs - goneSinceMs >= participantWaitMs;
    all.push({
      participant,
      window,
      inFlight: bulkhead.window.outstanding,
      waiting: bulkhead.window.waiting,
      breaker: isAway ? 'open' : breaker.shown(nowMs),
      timeoutMs: prepareTimeoutMs(state, participant),
    });
  }
  return all;
}

export function commandWindows({ flow }: TermState): CommandWindows {
  return flow.commands;
}
