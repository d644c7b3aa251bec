/**
 * The base line's participants. In a store each, as the product's journals: one durable write
 * before a vote, and one before an acknowledgement, which removes the first. What they are told to
 * forget is gone by then. Run: participants.ts DIRECTORY PORT NAME...
 */
import { join } from 'node:path';
import { open } from 'lmdb';
import { WebSocket } from 'ws';
import { Grouped, inOneTransaction } from './grouped.ts';
import { type Fields, SkeletonConnection } from './wire.ts';

interface Writing {
  readonly txid: string;
  /** Null: it is removed. */
  readonly entry: Fields | null;
  readonly answer: Fields;
}

const [directory = '', port = '', ...names] = process.argv.slice(2);
let connected = 0;

for (const name of names) {
  const environment = open({ path: join(directory, name), overlappingSync: false, maxDbs: 1 });
  const entries = environment.openDB<Fields, string>({ name: 'entries', encoding: 'msgpack' });
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  const writing = new Grouped<Writing>({
    flush: (batch) =>
      inOneTransaction(batch, ({ txid, entry }) =>
        entry === null ? entries.remove(txid) : entries.put(txid, entry),
      ),
    done: (batch) => {
      for (const { answer } of batch) connection.send(answer);
    },
  });
  const connection = new SkeletonConnection(socket, (message) => {
    const { type, branch, epoch, witness } = message;
    const txid = String(message['txid']);
    if (type === 'prepare') {
      const entry = { branch, state: 'prepared', epoch, witness, atMs: 1 };
      writing.add({ txid, entry, answer: { type: 'vote', txid, branch, vote: 'commit' } });
    } else if (type === 'commit') {
      const answer = { type: 'ack', txid, branch, decision: 'commit', ok: true };
      writing.add({ txid, entry: null, answer });
    }
  });
  socket.on('open', () => {
    connection.send({ type: 'hello', name });
    connected += 1;
    if (connected === names.length) console.log('ready');
  });
}
process.on('disconnect', () => process.exit(0));
