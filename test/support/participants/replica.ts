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

/** Resolves when it serves. It dies where `ask({ crashAt: 'point:n' })` says, as by kill -9. */
export async function startReplica(settings: ReplicaSettings): Promise<Child> {
  const child = new Child('test/support/participants/replica-entry.ts', {
    args: [JSON.stringify(settings)],
  });
  if ((await child.line(/"Serving\."/)) === null)
    throw new Error(`The replica ended:\n${child.lines.join('\n')}`);
  return child;
}
