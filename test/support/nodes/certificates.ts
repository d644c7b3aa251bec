/** A certificate authority of our own, with a server's and a client's certificate. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer };
}

export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

export function makeCertificates(directory: string): Certificates {
  const at = (name: string) => join(directory, name);
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', [...args], { stdio: 'pipe', timeout: 30_000, cwd: directory });
  const key = (name: string) =>
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at(`${name}.key`));
  key('ca');
  openssl(
    ...['req', '-x509', '-new', '-key', at('ca.key'), '-days', '2', '-subj', '/CN=test authority'],
    ...['-out', at('ca.crt')],
  );
  for (const [name, usage] of [
    ['server', 'serverAuth,clientAuth'],
    ['client', 'clientAuth'],
  ] as const) {
    key(name);
    openssl(
      'req',
      '-new',
      '-key',
      at(`${name}.key`),
      '-subj',
      `/CN=${name}`,
      '-out',
      at(`${name}.csr`),
    );
    writeFileSync(at(`${name}.ext`), `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${usage}\n`);
    openssl(
      ...['x509', '-req', '-in', at(`${name}.csr`), '-CA', at('ca.crt'), '-CAkey', at('ca.key')],
      ...[
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        at(`${name}.ext`),
        '-out',
        at(`${name}.crt`),
      ],
    );
  }
  return {
    ca: at('ca.crt'),
    server: { cert: at('server.crt'), key: at('server.key') },
    client: {
      ca: readFileSync(at('ca.crt')),
      cert: readFileSync(at('client.crt')),
      key: readFileSync(at('client.key')),
    },
  };
}
