/**
 * Certificates for etcd, which may be renewed while the process runs. Connections that are open
 * stay as they are: etcd looks at a certificate as one begins, and a lease hangs on them.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { thrownText } from '../../core/thrown.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { Pem } from '../../ports/tls.ts';
import { certificatesIn, withoutMarks } from '../../system/pem-certificates.ts';
import { readForeignSecretFile } from '../../system/secret-file.ts';

export interface EtcdTls {
  /** Certificate authority. */
  readonly ca: Pem;
  /** The client's certificate and key, where etcd asks for one. */
  readonly cert?: Pem | undefined;
  readonly key?: Pem | undefined;
}

export interface EtcdPem {
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Throws a DecisionLogError for what cannot be read, or does not belong together. */
export function readEtcdTls({ ca, cert, key }: EtcdTls): EtcdPem {
  const read = {
    ca: pemOf(ca, 'ca'),
    ...(cert !== undefined && { cert: pemOf(cert, 'cert') }),
    ...(key !== undefined && { key: pemOf(key, 'key') }),
  };
  try {
    // OpenSSL takes an empty file in silence: one that is being written, perhaps.
    for (const pem of [read.ca, read.cert]) {
      if (pem === undefined || certificatesIn(pem.toString('latin1')).length > 0) continue;
      throw new Error('there is no certificate in one of the files');
    }
    createSecureContext(read);
  } catch (error) {
    throw new DecisionLogError(
      `The certificates for etcd cannot be used: ${thrownText(error)}. Give a key and the certificate that was made with it, in PEM, and the authority that signs etcd's own (--etcd-cert, --etcd-key, --etcd-ca).`,
      { cause: error },
    );
  }
  return read;
}

function pemOf(given: Pem, name: 'ca' | 'cert' | 'key'): Buffer {
  return Buffer.from(withoutMarks(bytesOf(given, name).toString('latin1')), 'latin1');
}

function bytesOf(given: Pem, name: 'ca' | 'cert' | 'key'): Buffer {
  if (typeof given === 'string') return Buffer.from(given);
  if (given instanceof Uint8Array) return Buffer.from(given);
  try {
    return name === 'key'
      ? readForeignSecretFile(given.file, 'key for etcd')
      : readFileSync(given.file);
  } catch (error) {
    throw new DecisionLogError(
      `The file of tls.${name} for etcd (--etcd-${name}) cannot be read: ${thrownText(error)}.`,
      { cause: error },
    );
  }
}

/** What new connections are made with: what is in the files, once it can be used. */
export class EtcdCredentials {
  readonly #tls: EtcdTls;
  readonly #problem: (error: Error) => void;
  #now: EtcdPem;
  #said = '';

  /** Throws as `readEtcdTls` does. `problem`: told once of files that changed to what is no use. */
  constructor(tls: EtcdTls, problem: (error: Error) => void) {
    this.#tls = tls;
    this.#problem = problem;
    this.#now = readEtcdTls(tls);
  }

  /** The same object for as long as they are the same. Half of a change is not taken. */
  read(): EtcdPem {
    try {
      const read = readEtcdTls(this.#tls);
      if (!isSame(read, this.#now)) this.#now = read;
      this.#said = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#said) this.#problem(error as Error);
      this.#said = message;
    }
    return this.#now;
  }
}

function isSame(one: EtcdPem, other: EtcdPem): boolean {
  return (['ca', 'cert', 'key'] as const).every(
    (name) => one[name]?.toString('latin1') === other[name]?.toString('latin1'),
  );
}
