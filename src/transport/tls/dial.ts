/** TLS of the side that dials: its certificate, and whether the other one is a node. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import process from 'node:process';
import type * as Tls from 'node:tls';
import { thrownText } from '../../core/thrown.ts';
import type { Pem, TlsOptions } from '../../ports/tls.ts';
import { readForeignSecretFile } from '../../system/secret-file.ts';
import { hasName, isFor, namesIn } from './names.ts';
import { type PemPart, type PemParts, secureOptions, TlsError } from './pem.ts';

type PemName = 'ca' | 'cert' | 'key';

export class DialCredentials {
  readonly #options: TlsOptions;
  #known: { readonly parts: PemParts; readonly context: Tls.SecureContext } | null = null;

  constructor(options: TlsOptions = {}) {
    this.#options = options;
  }

  /** Throws where they cannot be used, before anything is dialled. */
  check(): void {
    this.#context();
  }

  /**
   * How to open the socket. Throws a TlsError for certificates that cannot be used. `names`: of
   * which the node must have one, where none are given for all.
   */
  connector(url: string, names: readonly string[] | undefined): () => Tls.TLSSocket {
    const { serverName, nodeNames } = this.#options;
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, '');
    const wanted = serverName ?? host;
    // The one name that was given for all of them is one that was given.
    const forAll = serverName === undefined ? [] : [serverName];
    const wantedNames = nodeNames ?? (names === undefined ? undefined : [...names, ...forAll]);
    const options: Tls.ConnectionOptions = {
      host,
      port: port === '' ? 443 : Number(port),
      servername: isIP(wanted) === 0 ? wanted : '',
      secureContext: this.#context(),
      ALPNProtocols: ['http/1.1'],
      // By name: a variable of the environment could take it back.
      rejectUnauthorized: true,
      checkServerIdentity: (_host, { raw }) => refusalOf(raw, wanted, wantedNames),
    };
    return () => process.getBuiltinModule('node:tls').connect(options);
  }

  /** Files may have changed. Half of a change is not taken: the ones before go on. */
  #context(): Tls.SecureContext {
    const known = this.#known;
    try {
      const parts = this.#read();
      if (known !== null && isSame(parts, known.parts)) return known.context;
      const context = process
        .getBuiltinModule('node:tls')
        .createSecureContext(secureOptions(parts));
      this.#known = { parts, context };
      return context;
    } catch (error) {
      if (known !== null) return known.context;
      throw error;
    }
  }

  #read(): PemParts {
    const { cert, key } = this.#options;
    if ((cert === undefined) !== (key === undefined)) {
      throw new TlsError(
        'A client certificate is of no use without its key: give both, tls.cert and tls.key (--tls-cert, --tls-key).',
      );
    }
    return { ca: this.#part('ca'), cert: this.#part('cert'), key: this.#part('key') };
  }

  #part(name: PemName): PemPart | undefined {
    const given = this.#options[name];
    if (given === undefined) return;
    return { option: `tls.${name} (--tls-${name})`, pem: pemText(name, given) };
  }
}

function pemText(name: PemName, given: Pem): string {
  if (typeof given === 'string') return given;
  if (given instanceof Uint8Array) return Buffer.from(given).toString('latin1');
  if (name === 'key') return readForeignSecretFile(given.file, 'key of tls.key').toString();
  try {
    return readFileSync(given.file, 'latin1');
  } catch (error) {
    throw new TlsError(
      `The file of tls.${name} (--tls-${name}) cannot be read: ${thrownText(error)}.`,
      { cause: error },
    );
  }
}

function isSame(one: PemParts, other: PemParts): boolean {
  return (['ca', 'cert', 'key'] as const).every((name) => one[name]?.pem === other[name]?.pem);
}

/** Node lets in where this throws, and reports that elsewhere. */
function refusalOf(...args: Parameters<typeof identityProblem>): Error | undefined {
  try {
    return identityProblem(...args);
  } catch (error) {
    const text = `The certificate of ${args[1]} cannot be read: ${thrownText(error)}.`;
    return new TlsError(text, { cause: error });
  }
}

/** `wanted`: what the certificate must be for. */
function identityProblem(
  raw: Buffer,
  wanted: string,
  wantedNames: readonly string[] | undefined,
): Error | undefined {
  const certificate = new X509Certificate(raw);
  const names = namesIn(certificate.subjectAltName);
  if (names === null) {
    return new TlsError(
      `The certificate of ${wanted} is refused: its subjectAltName has characters that no name needs. Give the node one without them (--tls-cert).`,
    );
  }
  const has = names.length === 0 ? 'no subjectAltName' : names.slice(0, maxNamesTold).join(', ');
  if (!isFor(certificate, wanted)) {
    return new TlsError(
      `The certificate of the node is not for ${wanted}; it has ${has}. Dial the node at a name that it has, give it a certificate for this one (--tls-cert), or give the name that all nodes have as tls.serverName (--tls-server-name).`,
    );
  }
  if (wantedNames === undefined) return;
  if (wantedNames.some((name) => hasName(certificate, names, name))) return;
  return new TlsError(
    `The certificate of ${wanted} has none of the names that nodes have (${wantedNames.join(', ')}); it has ${has}. If it is one of the nodes, name its host in urls (--url), or what its certificate has in tls.nodeNames (--tls-node-names).`,
  );
}

const maxNamesTold = 8;
