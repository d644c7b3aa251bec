/**
 * The base line's coordinator: the same messages as a real node, and the least that they need - one
 * durable write for a decision, a removal that no one waits for (`logs.ts`) - and nothing else: no
 * states, no checks, no time-outs, no recovery. It shows what the transport, the codec and the
 * store cost by themselves. Run: node.ts embedded DIRECTORY, or node.ts etcd|every-change ADDRESS;
 * it prints its port.
 */
import { WebSocketServer } from 'ws';
import { logKinds, openLog } from './logs.ts';
import { type Fields, SkeletonConnection } from './wire.ts';

interface Running {
  readonly id: unknown;
  readonly client: SkeletonConnection;
  readonly branches: readonly { readonly participant: string; readonly payload: unknown }[];
  votes: number;
  acks: number;
}

const [wanted, place = ''] = process.argv.slice(2);
const kind = logKinds.find((each) => each === wanted);
if (kind === undefined) throw new Error(`The log is one of: ${logKinds.join(', ')}.`);
const log = openLog(kind, { place, ended });
const epoch = '00010000000000001';
const participants = new Map<string, SkeletonConnection>();
const running = new Map<string, Running>();
let sequence = 0;

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => {
  const connection: SkeletonConnection = new SkeletonConnection(socket, (message) => {
    if (message['type'] === 'vote') vote(message);
    else if (message['type'] === 'ack') acknowledge(message);
    else if (message['type'] === 'transact') transact(connection, message);
    else if (message['type'] === 'hello') participants.set(String(message['name']), connection);
  });
});
server.on('listening', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) console.log(address.port);
});
process.on('disconnect', () => process.exit(0));

function transact(client: SkeletonConnection, message: Fields): void {
  sequence += 1;
  const txid = `0.${epoch}.${sequence.toString(36).padStart(9, '0')}.abcdefghijklm`;
  const branches = message['branches'] as Running['branches'];
  running.set(txid, { id: message['id'], client, branches, votes: 0, acks: 0 });
  client.send({ type: 'begun', id: message['id'], txid, timeoutMs: 30_000, share: 'share-1' });
  if (log.begin === null) prepare(txid, branches);
  else log.begin(txid, recordOf(txid, branches), () => prepare(txid, branches));
}

function prepare(txid: string, branches: Running['branches']): void {
  const witness = { generation: 1, revision: '1' };
  for (const { participant, payload } of branches) {
    participants.get(participant)?.send({
      type: 'prepare',
      txid,
      branch: participant,
      epoch,
      witness,
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
  log.decide(txid, recordOf(txid, transaction.branches), () => decided(txid, transaction));
}

function recordOf(txid: string, branches: Running['branches']): Fields {
  return {
    txid,
    outcome: 'commit',
    branches: branches.map(({ participant }) => ({
      branch: participant,
      participant,
      instance: 'abcdefghijklmnopqrstuvwxyz',
    })),
    atMs: 1,
  };
}

function decided(txid: string, { id, client, branches }: Running): void {
  client.send({ type: 'outcome', id, txid, outcome: 'committed', results: {} });
  for (const { participant } of branches) {
    participants.get(participant)?.send({ type: 'commit', txid, branch: participant, epoch });
  }
}

function acknowledge(message: Fields): void {
  const txid = String(message['txid']);
  const transaction = running.get(txid);
  if (transaction === undefined) return;
  transaction.acks += 1;
  if (transaction.acks === transaction.branches.length) log.end(txid);
}

function ended(txids: readonly string[]): void {
  const forget = new Map<string, string[]>();
  for (const txid of txids) {
    for (const { participant } of running.get(txid)?.branches ?? []) {
      const known = forget.get(participant);
      if (known === undefined) forget.set(participant, [txid]);
      else known.push(txid);
    }
    running.delete(txid);
  }
  for (const [participant, known] of forget) {
    participants.get(participant)?.send({ type: 'forget', txids: known });
  }
}
