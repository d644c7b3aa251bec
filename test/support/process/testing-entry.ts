/** A test coordinator with all that it starts, closed: nothing may keep this process. */
import { serveParticipant, silentLogger, vote } from '../../../src/participant.ts';
import { startTestCoordinator } from '../../../src/testing.ts';

const coordinator = await startTestCoordinator();
await coordinator.participant((verdict) =>
  serveParticipant({
    name: 'inventory',
    logger: silentLogger,
    ...verdict,
    prepare: () => vote.commit(),
    commit: () => undefined,
    rollback: () => undefined,
  }),
);
const client = await coordinator.connect();
coordinator.inject('crash after the vote');
const { outcome, txid } = await client.transact({ branches: [{ participant: 'inventory' }] });
await coordinator.whenSettled(txid);
const left = client.begin().catch(() => undefined);
await coordinator.close();
await left;
console.log(outcome);
