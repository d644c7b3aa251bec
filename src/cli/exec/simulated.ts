/** `verdict exec` without a node: the library's coordinator, and simulated participants. */
import { TransactionCoordinator } from '../../embedded/coordinator.ts';
import type { EmbeddedParticipant } from '../../embedded/participant.ts';
import { systemClock } from '../../system/clock.ts';
import { pause } from '../../system/pause.ts';
import type { DecidedOutcome, ExecTarget } from './exec.ts';
import type { Simulation } from './parse-line.ts';

const obedient: Simulation = { vote: 'commit', delayMs: 0, commitFailures: 0, rollbackFailures: 0 };

export function simulatedTarget(): ExecTarget {
  const coordinator = new TransactionCoordinator({ drainMs: 0 });
  const decided = async (txid: string): Promise<DecidedOutcome> => {
    const { outcome, reason, participants } = await coordinator.getTransactionResult(txid);
    return {
      // Answered, so decided.
      outcome: outcome ?? 'aborted',
      ...(reason === undefined ? {} : { reason }),
      results: participants,
    };
  };
  return {
    begin: (timeoutMs) => coordinator.beginTransaction(timeoutMs === null ? {} : { timeoutMs }),
    register: (txid, { participant, simulation, payload }) => {
      if (payload !== undefined) {
        throw new TypeError('payload= is for the participants of a node: give --url.');
      }
      return coordinator.registerParticipant(txid, simulate(participant, simulation ?? obedient));
    },
    commit: async (txid) => {
      await coordinator.commitTransaction(txid);
      return decided(txid);
    },
    rollback: async (txid, reason) => {
      await coordinator.rollbackTransaction(txid, reason ?? undefined);
      return decided(txid);
    },
    status: (txid) => coordinator.getTransactionStatus(txid),
    close: () => coordinator.close(),
  };
}

function simulate(name: string, does: Simulation): EmbeddedParticipant {
  let commitFailures = does.commitFailures;
  let rollbackFailures = does.rollbackFailures;
  return {
    name,
    prepare: async (_txid, { signal }) => {
      await pause(systemClock, does.delayMs);
      if (does.vote === 'throw') throw new Error('vote=throw');
      // Until the coordinator gives up; a promise that never settles would block the rollback.
      if (does.vote === 'hang') {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      }
      return does.vote !== 'abort';
    },
    commit: async () => {
      await pause(systemClock, does.delayMs);
      commitFailures -= 1;
      return commitFailures < 0;
    },
    rollback: async () => {
      await pause(systemClock, does.delayMs);
      rollbackFailures -= 1;
      return rollbackFailures < 0;
    },
  };
}
