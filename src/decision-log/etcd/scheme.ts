/**
 * Whether `http` and `https` are written as the members speak. To gRPC a wrong one looks like a
 * member that is down; and among several it is not noticed before the others are gone.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Timer } from '../../ports/clock.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { EtcdAccess } from './client.ts';
import { readEtcdTls } from './tls-files.ts';

type Scheme = 'http' | 'https';

const answerTimeoutMs = 1_000;
/** In which it is counted: a pause of this process is one of them, for answers wait unread. */
const stepMs = 50;
const maxAnswerBytes = 4_096;
const question = 'GET /version HTTP/1.0\r\n\r\n';

type Access = Pick<EtcdAccess, 'endpoints' | 'tls' | 'connect' | 'clock'>;
interface Address {
  readonly host: string;
  readonly port: number;
}

/** Throws where a member surely speaks the other one; all else is left to the calls. */
export async function assertSchemes(access: Access): Promise<void> {
  // A simulation's names are no addresses.
  if (access.connect !== undefined) return;
  await Promise.all(access.endpoints.map((endpoint) => assertScheme(endpoint, access)));
}

async function assertScheme(endpoint: string, access: Access): Promise<void> {
  const { tls } = access;
  const { protocol, hostname, port } = new URL(endpoint);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  // With certificates the connection is made with TLS, whatever is written.
  const given = protocol === 'https:' || tls !== undefined ? 'https' : 'http';
  const address = { host, port: Number(port || (protocol === 'https:' ? 443 : 80)) };
  const spoken = await spokenAt(address, given, access);
  if (spoken === null || spoken === given) return;
  const right = endpoint.replace(/^https?/, spoken);
  const way = tls === undefined ? `Write ${right}` : 'Give no certificates';
  throw new DecisionLogError(
    spoken === 'http'
      ? `Etcd at ${endpoint} speaks no TLS. ${way}, or give that member a certificate of its own.`
      : `Etcd at ${endpoint} wants TLS. ${way}, and give its certificate authority where it is not a public one.`,
  );
}

/** As it should speak first: what is right shows in no log of etcd's. */
async function spokenAt(address: Address, given: Scheme, access: Access): Promise<Scheme | null> {
  if (given === 'https' && (await shakesHands(address, access))) return 'https';
  const answer = await answerOf(address, access);
  if (answer === null) return null;
  if (answer.length > 0 || given === 'https') return schemeOf(answer);
  // Etcd itself closes at what is no TLS, without a word.
  return (await shakesHands(address, access)) ? 'https' : null;
}

/** Of a question in plain HTTP. Only what leaves no doubt counts. */
export function schemeOf(answer: Buffer): Scheme | null {
  const tlsAlert = 0x15;
  if (answer[0] === tlsAlert) return 'https';
  const text = answer.toString('latin1');
  if (/^HTTP\/1\.[01] 200 /.test(text) && text.includes('"etcdserver"')) return 'http';
  // Of Go's server, and of the usual proxies.
  return /^HTTP\/1\.[01] 400 /.test(text) && /\bHTTPS (server|port)\b/.test(text) ? 'https' : null;
}

/** What came until the other side closed; null where it did not in time, or is unreachable. */
function answerOf(address: Address, { clock }: Access): Promise<Buffer | null> {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const socket = connect(address, () => socket.write(question));
    const end = (what: Buffer | null): void => {
      timer.cancel();
      socket.destroy();
      resolve(what);
    };
    const timer = afterTimeout(clock, () => end(answer.length > 0 ? answer : null));
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length > maxAnswerBytes) end(answer);
    });
    let isOpen = false;
    socket.on('connect', () => {
      isOpen = true;
    });
    socket.on('error', () => end(isOpen ? answer : null));
    socket.on('close', () => end(answer));
  });
}

/** Nothing is said over it, so whose certificate it is does not matter. */
function shakesHands(address: Address, { tls, clock }: Access): Promise<boolean> {
  return new Promise((resolve) => {
    const { key, cert } = tls === undefined ? {} : readEtcdTls(tls);
    const own = key === undefined || cert === undefined ? {} : { key, cert };
    const socket = connectTls({ ...address, ...own, rejectUnauthorized: false });
    const end = (does: boolean): void => {
      timer.cancel();
      socket.destroy();
      resolve(does);
    };
    const timer = afterTimeout(clock, () => end(false));
    socket.on('secureConnect', () => end(true));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
  });
}

function afterTimeout(clock: Access['clock'], late: () => void): Timer {
  let leftMs = answerTimeoutMs;
  const step = (): Timer => {
    leftMs -= stepMs;
    return clock.setTimer(stepMs, () => {
      if (leftMs > 0) timer = step();
      else late();
    });
  };
  let timer = step();
  return { cancel: () => timer.cancel() };
}
