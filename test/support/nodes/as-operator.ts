/** How an operator reaches the nodes of a cluster, which may be secured. */
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { json } from 'node:stream/consumers';
import type { EtcdCluster } from './etcd-cluster.ts';

export interface Readyz {
  readonly status: number | undefined;
  readonly health: { readonly problems?: readonly string[] };
}

/** For the command. */
export function operatorFlags({ security }: EtcdCluster): readonly string[] {
  if (security === null) return [];
  const { ca, cert, key, nodeNames } = security.operator;
  const pem = ['--tls-ca', ca.file, '--tls-cert', cert.file, '--tls-key', key.file];
  return [...pem, '--tls-node-names', nodeNames.join()];
}

/** As a stranger, without a certificate. */
export async function readyz({ security }: EtcdCluster, url: string): Promise<Readyz> {
  if (security === null) {
    const answer = await fetch(`http://${url}/readyz`);
    return { status: answer.status, health: (await answer.json()) as object };
  }
  const ca = readFileSync(security.operator.ca.file);
  return new Promise((resolve, reject) => {
    get(`https://${url}/readyz`, { ca, checkServerIdentity: () => undefined }, (answer) => {
      json(answer).then(
        (health) => resolve({ status: answer.statusCode, health: health as object }),
        reject,
      );
    }).once('error', reject);
  });
}
