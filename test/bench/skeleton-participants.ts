/**
 * The base line's participants: a durable write before each vote and before each acknowledgement,
 * in a store each, as the product's journals do. Run: skeleton-participants.ts DIRECTORY PORT
 * NAME...
 */
import { join } from 'node:path';
import { open } from 'lmdb';
import { WebSocket } from 'ws';
import { type Fields, SkeletonConnection } from './skeleton-wire.ts';

const [directory = '', port = '', ...names] = process.argv.slice(2);
let connected = 0;

for (const name of names) {
  const environment = open({ path: join(directory, name), overlappingSync: false, maxDbs: 4 });
  const entries = environment.openDB<Fields, string>({ name: 'entries', encoding: 'msgpack' });
  const write = batches(async (batch: Fields[]) => {
    await environment.transaction(() => {
      for (const entry of batch) void entries.put(String(entry['txid']), entry);
    });
  });
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  const connection = new SkeletonConnection(socket, (message) => {
    const { type, txid, branch } = message;
    if (type === 'prepare') {
      const { epoch, witness, payload } = message;
      const entry = { txid, branch, state: 'prepared', epoch, witness, payload, atMs: 1 };
      write(entry, () => connection.send({ type: 'vote', txid, branch, vote: 'commit' }));
    } else if (type === 'commit') {
      const { epoch } = message;
      const entry = { txid, branch, state: 'committed', epoch, atMs: 1 };
      write(entry, () =>
        connection.send({ type: 'ack', txid, branch, decision: 'commit', ok: true }),
      );
    } else if (type === 'forget') {
      for (const one of message['txids'] as string[])
        write({ txid: one, state: 'tombstone' }, () => undefined);
    }
  });
  socket.on('open', () => {
    connection.send({ type: 'hello', name });
    connected += 1;
    if (connected === names.length) console.log('ready');
  });
}
process.on('disconnect', () => process.exit(0));

/** What comes while a flush runs shares the next one. */
function batches(
  flush: (batch: Fields[]) => Promise<void>,
): (entry: Fields, done: () => void) => void {
  let queue: { entry: Fields; done: () => void }[] = [];
  let flushing = false;
  const run = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      await flush(batch.map(({ entry }) => entry));
      for (const { done } of batch) done();
    }
    flushing = false;
  };
  return (entry, done) => {
    queue.push({ entry, done });
    if (flushing) return;
    flushing = true;
    setImmediate(() => void run());
  };
}
