/** Asks each member of etcd for itself: one that stands still holds up none of the others. */
import type { CallOptions } from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import { thrownLine } from '../../core/thrown.ts';
import { etcd3Client } from '../../decision-log/etcd/client.ts';
import { clustersIn } from '../../decision-log/etcd/clusters.ts';
import { etcdParts, rangeText } from '../../decision-log/etcd/endpoints.ts';
import { etcdErrorText } from '../../decision-log/etcd/error-text.ts';
import { EtcdKeys } from '../../decision-log/etcd/keys.ts';
import { EtcdLogin } from '../../decision-log/etcd/login.ts';
import { type EtcdPem, readEtcdTls } from '../../decision-log/etcd/tls-files.ts';
import { asksForAccounts } from '../../decision-log/etcd-accounts/admin.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { etcdAccess } from '../open-log.ts';
import type { EtcdFlags } from '../options.ts';
import { get, type HttpAnswer } from './clocks.ts';
import type { EtcdFacts, MemberFacts } from './judge-etcd.ts';
import { within } from './within.ts';

type Access = Awaited<ReturnType<typeof etcdAccess>>;

interface Asking {
  readonly access: Access;
  readonly pem: EtcdPem | null;
  readonly cluster: string;
  readonly keys: EtcdKeys;
  readonly timeoutMs: number;
}

/** A call of one member; a login takes as long as etcd takes for a password. */
const callMs = 2_000;
const reads = 5;

export async function askEtcd(flags: EtcdFlags, timeoutMs: number): Promise<EtcdFacts[]> {
  const access = await etcdAccess(flags);
  const asking: Asking = {
    access,
    pem: access.tls === undefined ? null : readEtcdTls(access.tls),
    cluster: flags.cluster,
    keys: new EtcdKeys(flags.cluster),
    timeoutMs: Math.min(callMs, timeoutMs),
  };
  const parts = etcdParts(flags.etcd);
  if (parts === null) return [await askOne('etcd', flags.etcd, asking)];
  return Promise.all(
    parts.map((part) => askOne(`etcd of ${rangeText(part)}`, part.endpoints, asking)),
  );
}

async function askOne(
  area: string,
  endpoints: readonly string[],
  asking: Asking,
): Promise<EtcdFacts> {
  const { access, timeoutMs } = asking;
  const ports = { ...access, clock: systemClock };
  const asked = endpoints.map((endpoint) => {
    return asksForAccounts(ports, endpoint, timeoutMs).catch(() => null);
  });
  const authOn = (await Promise.all(asked)).find((answer) => answer !== null) ?? null;
  const login = authOn === true ? await logIn(endpoints, asking) : null;
  const clients = endpoints.map((endpoint) => etcd3Client(ports, endpoint, login));
  try {
    const members = await Promise.all(
      endpoints.map((endpoint, index) => askMember(endpoint, clients[index] as Etcd3, asking)),
    );
    const well = clients.filter((_, index) => members[index]?.problem === null);
    const [first] = well;
    const common = { area, members, authOn, hasTls: isEncrypted(endpoints) };
    if (first === undefined)
      return { ...common, memberCount: null, alarms: [], history: null, cluster: null };
    const [memberCount, alarms, history, cluster] = await Promise.all([
      countMembers(first, timeoutMs),
      alarmsOf(first, timeoutMs),
      historyOf(first, asking).catch(() => null),
      clusterOf(first, asking).catch(() => null),
    ]);
    return { ...common, memberCount, alarms, history, cluster };
  } finally {
    for (const client of clients) client.close();
    login?.close();
  }
}

function isEncrypted(endpoints: readonly string[]): boolean {
  return endpoints.every((endpoint) => endpoint.startsWith('https:'));
}

function deadline(timeoutMs: number): CallOptions {
  return { deadline: systemClock.wallMs() + timeoutMs };
}

/** Once for all members: etcd's passwords are dear to check. Null: there is none that it takes. */
async function logIn(endpoints: readonly string[], asking: Asking): Promise<EtcdLogin | null> {
  const { access, timeoutMs } = asking;
  const { auth } = access;
  if (auth === undefined) return null;
  for (const endpoint of endpoints) {
    const client = etcd3Client({ ...access, clock: systemClock }, endpoint);
    const login = new EtcdLogin({
      clock: systemClock,
      random: systemRandom,
      authenticate: async () => {
        const given = { name: auth.username, password: auth.password };
        return (await client.auth.authenticate(given, deadline(timeoutMs))).token;
      },
    });
    try {
      await login.token();
      return login;
    } catch {
      login.close();
    } finally {
      client.close();
    }
  }
  return null;
}

async function askMember(endpoint: string, client: Etcd3, asking: Asking): Promise<MemberFacts> {
  const { keys, timeoutMs, pem } = asking;
  const page = get(`${endpoint}/metrics`, timeoutMs, tlsOf(pem)).catch(() => null);
  try {
    const asked = client.maintenance.status(deadline(timeoutMs));
    const status = await within(timeoutMs + 500, asked);
    const read = await readTimes(client, keys, timeoutMs);
    const metrics = await page;
    return {
      endpoint,
      problem: null,
      version: status.version,
      sizeBytes: Number(status.dbSize),
      usedBytes: Number(status.dbSizeInUse ?? 0) > 0 ? Number(status.dbSizeInUse) : null,
      quotaBytes: quotaIn(metrics),
      leader: String(status.leader),
      isLearner: status.isLearner === true,
      errors: status.errors ?? [],
      ...read,
      clock: metrics?.clock == null ? null : { who: endpoint, ...metrics.clock },
    };
  } catch (error) {
    return { ...silent, endpoint, problem: etcdErrorText(error) };
  }
}

const silent: Omit<MemberFacts, 'endpoint' | 'problem'> = {
  version: '',
  sizeBytes: 0,
  usedBytes: null,
  quotaBytes: null,
  leader: '',
  isLearner: false,
  errors: [],
  readMs: null,
  readProblem: null,
  clock: null,
};

/** The median of several: the first one pays for the connection. */
async function readTimes(
  client: Etcd3,
  keys: EtcdKeys,
  timeoutMs: number,
): Promise<Pick<MemberFacts, 'readMs' | 'readProblem'>> {
  const times: number[] = [];
  try {
    for (let read = 0; read < reads; read += 1) {
      const beganMs = systemClock.monotonicMs();
      await client.kv.range({ key: keys.meta, keys_only: true }, deadline(timeoutMs));
      times.push(systemClock.monotonicMs() - beganMs);
    }
  } catch (error) {
    return { readMs: null, readProblem: etcdErrorText(error) };
  }
  times.sort((a, b) => a - b);
  return { readMs: times[Math.floor(times.length / 2)] ?? null, readProblem: null };
}

function tlsOf(pem: EtcdPem | null): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  return pem ?? {};
}

/** The service does not tell it; the page of metrics does. */
function quotaIn(metrics: HttpAnswer | null): number | null {
  const found = /^etcd_server_quota_backend_bytes ([\d.e+]+)$/m.exec(metrics?.body ?? '');
  const bytes = Number(found?.[1]);
  return Number.isFinite(bytes) && bytes > 0 ? bytes : null;
}

async function countMembers(client: Etcd3, timeoutMs: number): Promise<number | null> {
  try {
    return (await client.cluster.memberList({}, deadline(timeoutMs))).members.length;
  } catch {
    return null;
  }
}

async function alarmsOf(client: Etcd3, timeoutMs: number): Promise<string[]> {
  try {
    const { alarms } = await client.maintenance.alarm({}, deadline(timeoutMs));
    return (alarms ?? []).map(({ alarm, memberID }) => {
      const id = BigInt(memberID).toString(16);
      return `${String(alarm).toUpperCase()} at member ${id}`;
    });
  } catch {
    return [];
  }
}

const maxClusters = 10;

/** Whether it is there; else which others are, where this account may look. */
async function clusterOf(client: Etcd3, asking: Asking): Promise<EtcdFacts['cluster']> {
  const { keys, cluster: name, timeoutMs } = asking;
  const { kvs } = await client.kv.range({ key: keys.meta, keys_only: true }, deadline(timeoutMs));
  if (kvs.length > 0) return { name, isThere: true, others: null };
  const range: Parameters<typeof clustersIn>[0] = (request) =>
    client.kv.range(request, deadline(timeoutMs));
  const others = await clustersIn(range, maxClusters).catch(() => null);
  return { name, isThere: false, others };
}

/** No call tells where the history begins, so it is looked for: in some 30 reads of one key. */
async function historyOf(
  client: Etcd3,
  { keys, timeoutMs }: Asking,
): Promise<EtcdFacts['history']> {
  const untilMs = systemClock.monotonicMs() + timeoutMs;
  const { header } = await client.kv.range(
    { key: keys.meta, keys_only: true },
    deadline(timeoutMs),
  );
  const revision = Number(header.revision);
  let [from, to] = [1, revision];
  while (from < to) {
    if (systemClock.monotonicMs() > untilMs) return null;
    const middle = Math.floor((from + to) / 2);
    if (await isThere(client, keys, middle, timeoutMs)) to = middle;
    else from = middle + 1;
  }
  return { revision, compacted: from };
}

async function isThere(
  client: Etcd3,
  keys: EtcdKeys,
  revision: number,
  timeoutMs: number,
): Promise<boolean> {
  try {
    const request = { key: keys.meta, keys_only: true, revision: String(revision) };
    await client.kv.range({ ...request, serializable: true }, deadline(timeoutMs));
    return true;
  } catch (error) {
    if (/compacted/.test(thrownLine(error))) return false;
    throw error;
  }
}
