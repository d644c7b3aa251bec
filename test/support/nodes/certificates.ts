/** A certificate authority of our own, with a server's and a client's certificate, as files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testAuthority, writeCredential } from '../network/certificates.ts';

export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer };
}

export async function makeCertificates(directory: string): Promise<Certificates> {
  const authority = await testAuthority();
  const names = ['IP:127.0.0.1'] as const;
  const server = await authority.node('server', { names });
  const client = await authority.node('client', { names, usages: ['clientAuth'] });
  const ca = join(directory, 'ca.crt');
  writeFileSync(ca, authority.ca);
  writeCredential(directory, 'client', client);
  return {
    ca,
    server: writeCredential(directory, 'server', server),
    client: {
      ca: Buffer.from(authority.ca),
      cert: Buffer.from(client.certificate),
      key: Buffer.from(client.key),
    },
  };
}
