/** Is a process ready, by its own word. */
import { readFileSync } from 'node:fs';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { text } from 'node:stream/consumers';
import type { CertificateFiles } from '../secure/installation.ts';

/** A process that does not answer at all must not hold up the wait. */
const probeTimeoutMs = 1_000;

/** A node: `/readyz`, over TLS where the file of an authority is given. */
export function nodeIsReady(address: string, ca?: string): Promise<true | string> {
  const url = `${ca === undefined ? 'http' : 'https'}://${address}/readyz`;
  return probe(url, { ...(ca !== undefined && { ca }) }, ({ status }) =>
    status === 200 ? true : `it answers ${status}`,
  );
}

/** A member of etcd: it sees a leader. `tls`: by whom it is asked. */
export function etcdIsReady(endpoint: string, tls?: CertificateFiles): Promise<true | string> {
  return probe(`${endpoint}/health`, tls ?? {}, ({ body }) => {
    const { health } = JSON.parse(body) as { readonly health?: string };
    return health === 'true' ? true : 'it is not healthy yet';
  });
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function probe(
  url: string,
  files: Partial<CertificateFiles>,
  judge: (answer: Answer) => true | string,
): Promise<true | string> {
  try {
    return judge(await get(url, files));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function get(url: string, files: Partial<CertificateFiles>): Promise<Answer> {
  const pem = Object.fromEntries(Object.entries(files).map(([k, file]) => [k, readFileSync(file)]));
  const options = { agent: false, signal: AbortSignal.timeout(probeTimeoutMs), ...pem } as const;
  return new Promise((resolve, reject) => {
    const heard = (response: IncomingMessage): void => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    };
    const asked = url.startsWith('https:')
      ? httpsGet(url, options, heard)
      : httpGet(url, options, heard);
    asked.on('error', reject);
  });
}
