import type { ParticipantOptions } from '../../../src/core/participant-options.ts';
import { Child } from '../process/child.ts';

export interface ReplicaSettings {
  readonly kind: 'postgresql' | 'mariadb';
  /** As the driver takes it. */
  readonly connection: object;
  readonly name: string;
  readonly url: string;
  /** Of this process's own journal. */
  readonly data: string;
  readonly options: Partial<ParticipantOptions>;
}

export interface Booking {
  readonly account: number;
}

/** Resolves when it serves. `crashAt`: point, or point:n for its n-th passing. */
export async function startReplica(settings: ReplicaSettings, crashAt = ''): Promise<Child> {
  const child = new Child('test/support/participants/replica-entry.ts', {
    args: [JSON.stringify(settings)],
    env: { VERDICT_TEST_PARTICIPANT_CRASH_AT: crashAt },
  });
  if ((await child.line(/"Serving\."/)) === null)
    throw new Error(`The replica ended:\n${child.lines.join('\n')}`);
  return child;
}
