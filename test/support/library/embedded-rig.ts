import { type EmbeddedOptions, TransactionCoordinator } from '../../../src/embedded.ts';
import { eventually } from '../process/child.ts';
import { ScriptedParticipant } from './embedded-participant.ts';

export async function using<T>(
  options: EmbeddedOptions,
  body: (coordinator: TransactionCoordinator) => Promise<T>,
): Promise<T> {
  const coordinator = new TransactionCoordinator({ drainMs: 0, ...options });
  try {
    return await body(coordinator);
  } finally {
    await coordinator.close();
  }
}

export async function begin(
  coordinator: TransactionCoordinator,
  participants: readonly ScriptedParticipant[],
): Promise<string> {
  const txid = await coordinator.beginTransaction();
  for (const participant of participants) await coordinator.registerParticipant(txid, participant);
  return txid;
}

/** Not yet ended, where the answer is held. */
export async function began(participant: ScriptedParticipant, method: string): Promise<void> {
  await eventually(
    () => (participant.calls.some((call) => call.method === method) ? true : null),
    () => `${participant.name} was never called to ${method}.`,
  );
}

export const pair = (
  second: ConstructorParameters<typeof ScriptedParticipant>[1] = {},
): [ScriptedParticipant, ScriptedParticipant] => [
  new ScriptedParticipant('inventory'),
  new ScriptedParticipant('payment', second),
];
