/** Strangers at the door of a secured cluster, as a demonstration: each must be refused. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, VerdictError } from '../../src/client.ts';
import { type Logger, serveParticipant, vote } from '../../src/participant.ts';
import type { ServiceName } from '../shop/paths.ts';
import { type Certificates, nodeName } from './installation.ts';

export interface Refused {
  /** Who tried, and what. */
  readonly who: string;
  readonly code: string;
  /** As the node says it. */
  readonly message: string;
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const timeoutMs = 10_000;
const inTheShop: Impostor = { victim: 'payment', impostor: 'shipping' };

/** An identity of the installation that says it is another one. */
interface Impostor {
  readonly victim: ServiceName;
  readonly impostor: string;
}

/** Throws where one of them is let in. */
export async function showStrangers(
  urls: readonly string[],
  certificates: Certificates,
  who: Impostor = inTheShop,
): Promise<readonly Refused[]> {
  return [await nobody(urls, certificates), await pretender(urls, certificates, who)];
}

/** It knows the cluster's authority, and has no certificate of its own. */
async function nobody(urls: readonly string[], { ca }: Certificates): Promise<Refused> {
  const who = 'a client without a certificate';
  const tls = { ca: await readFile(ca), nodeNames: [nodeName] };
  try {
    const client = await connect({ urls, tls, timeoutMs });
    await client.close();
  } catch (error) {
    if (error instanceof VerdictError) return { who, code: error.code, message: error.message };
    throw error;
  }
  throw new LetIn(who);
}

/** It has a good certificate: that of another service. */
async function pretender(
  urls: readonly string[],
  certificates: Certificates,
  { victim, impostor }: Impostor,
): Promise<Refused> {
  const who = `${impostor} that says it is ${victim}`;
  const dataDirectory = await mkdtemp(join(tmpdir(), 'verdict-impostor-'));
  const stop = new AbortController();
  let refused: Refused | null = null;
  const participant = await serveParticipant({
    name: victim,
    urls,
    dataDirectory,
    tls: certificates.tlsOf(impostor),
    resource: {
      prepare: () => vote.commit(),
      commit: () => undefined,
      rollback: () => undefined,
    },
    logger: silent,
    onAlarm: ({ alarm, message }) => {
      refused ??= { who, code: alarm, message };
      stop.abort();
    },
  });
  try {
    await participant.connected({ timeoutMs, signal: stop.signal });
  } catch (error) {
    if (refused === null) throw error;
    return refused;
  } finally {
    await participant.close({ timeoutMs: 0 });
    await rm(dataDirectory, { recursive: true, force: true });
  }
  throw new LetIn(who);
}

class LetIn extends Error {
  override readonly name = 'LetIn';

  constructor(who: string) {
    super(`The cluster let in ${who}. It is not secured.`);
  }
}
