/**
 * The base line's coordinator: the same messages and the same flushes as a real node - one durable
 * write for each commit, one lazy move - and nothing else: no states, no checks, no time-outs, no
 * recovery. It shows what the transport, the codec and the store cost by themselves. Run:
 * skeleton-node.ts DIRECTORY; it prints its port.
 */
import { open } from 'lmdb';
import { WebSocketServer } from 'ws';
import { type Fields, SkeletonConnection } from './skeleton-wire.ts';

const directory = process.argv[2] ?? '';
const environment = open({ path: directory, overlappingSync: false, maxDbs: 4 });
const decisions = environment.openDB<Fields, string>({ name: 'decisions', encoding: 'msgpack' });
const finished = environment.openDB<Fields, string>({ name: 'finished', encoding: 'msgpack' });

interface Running {
  readonly id: unknown;
  readonly client: SkeletonConnection;
  readonly branches: { participant: string; result: unknown }[];
  votes: number;
  acks: number;
}

const participants = new Map<string, SkeletonConnection>();
const running = new Map<string, Running>();
let sequence = 0;
let writes: { txid: string; record: Fields }[] = [];
let writing = false;
const moves: string[] = [];
let moving = false;

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => {
  const connection: SkeletonConnection = new SkeletonConnection(socket, (message) => {
    if (message['type'] === 'hello') participants.set(String(message['name']), connection);
    else if (message['type'] === 'transact') transact(connection, message);
    else if (message['type'] === 'vote') vote(message);
    else if (message['type'] === 'ack') acknowledge(message);
  });
});
server.on('listening', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) console.log(address.port);
});
process.on('disconnect', () => process.exit(0));

function transact(client: SkeletonConnection, message: Fields): void {
  sequence += 1;
  const txid = `0.00010000000000001.${sequence.toString(36).padStart(9, '0')}.abcdefghijklm`;
  const branches = message['branches'] as { participant: string; payload: unknown }[];
  running.set(txid, {
    id: message['id'],
    client,
    branches: branches.map(({ participant }) => ({ participant, result: null })),
    votes: 0,
    acks: 0,
  });
  if (message['announce'] === true) {
    client.send({ type: 'begun', id: message['id'], txid, timeoutMs: 30_000, share: 'share-1' });
  }
  for (const { participant, payload } of branches) {
    participants.get(participant)?.send({
      type: 'prepare',
      txid,
      branch: participant,
      epoch: '00010000000000001',
      witness: { generation: 1, revision: '1' },
      timeoutMs: 10_000,
      payload,
    });
  }
}

function vote(message: Fields): void {
  const txid = String(message['txid']);
  const transaction = running.get(txid);
  if (transaction === undefined) return;
  transaction.votes += 1;
  if (transaction.votes < transaction.branches.length) return;
  const branches = transaction.branches.map(({ participant }) => ({
    branch: participant,
    participant,
    instance: 'abcdefghijklmnopqrstuvwxyz',
  }));
  writes.push({ txid, record: { txid, outcome: 'commit', branches, atMs: 1 } });
  if (!writing) setImmediate(() => void write());
}

async function write(): Promise<void> {
  if (writing) return;
  writing = true;
  while (writes.length > 0) {
    const batch = writes;
    writes = [];
    await environment.transaction(() => {
      for (const { txid, record } of batch) void decisions.put(txid, record);
    });
    for (const { txid } of batch) {
      const transaction = running.get(txid);
      if (transaction === undefined) continue;
      transaction.client.send({
        type: 'outcome',
        id: transaction.id,
        txid,
        outcome: 'committed',
        results: {},
      });
      for (const { participant } of transaction.branches) {
        participants.get(participant)?.send({
          type: 'commit',
          txid,
          branch: participant,
          epoch: '00010000000000001',
        });
      }
    }
  }
  writing = false;
}

function acknowledge(message: Fields): void {
  const txid = String(message['txid']);
  const transaction = running.get(txid);
  if (transaction === undefined) return;
  transaction.acks += 1;
  if (transaction.acks < transaction.branches.length) return;
  moves.push(txid);
  if (!moving) {
    moving = true;
    setTimeout(() => void move(), 5);
  }
}

async function move(): Promise<void> {
  while (moves.length > 0) {
    const batch = moves.splice(0, 512);
    await environment.transaction(() => {
      for (const txid of batch) {
        const record = decisions.get(txid);
        void decisions.remove(txid);
        if (record !== undefined) void finished.put(txid, record);
      }
    });
    const forget = new Map<string, string[]>();
    for (const txid of batch) {
      for (const { participant } of running.get(txid)?.branches ?? []) {
        const txids = forget.get(participant);
        if (txids === undefined) forget.set(participant, [txid]);
        else txids.push(txid);
      }
      running.delete(txid);
    }
    for (const [participant, txids] of forget) {
      participants.get(participant)?.send({ type: 'forget', txids });
    }
  }
  moving = false;
}
