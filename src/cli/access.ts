/** Who a node lets in, as its command line says. */
import { nodeUrl } from '../peer/url.ts';
import { type Access, everyone } from '../ports/access.ts';
import type { Audit } from '../ports/audit.ts';
import type { Logger } from '../ports/logger.ts';
import { systemClock } from '../system/clock.ts';
import { shortHash } from '../system/short-hash.ts';
import { CommandError } from './command-error.ts';
import type { ServerTlsFlags } from './tls-options.ts';

export interface AccessFlags {
  readonly accessFile?: string;
  readonly nodeTokenFile?: string;
  readonly metricsListen?: { readonly host: string; readonly port: number };
  readonly operatorListen?: { readonly host: string; readonly port: number };
}

export interface ServeAccess {
  readonly access: Access;
  readonly trustedProxies: readonly string[];
  /** The access file in force; null: there is none. */
  describe(): object | null;
  close(): void;
}

/** Loaded only where there is something to check: `serve` is to be ready soon. */
export async function openServeAccess(
  {
    accessFile,
    tlsClientCa,
    tlsCert,
  }: AccessFlags & Pick<ServerTlsFlags, 'tlsClientCa' | 'tlsCert'>,
  given: {
    readonly token: string | null;
    readonly logger: Logger;
    readonly audit: Audit;
    readonly url: () => string;
  },
): Promise<ServeAccess> {
  const { token, logger, audit, url } = given;
  if (token === null && accessFile === undefined && tlsClientCa === undefined) {
    return { access: everyone, trustedProxies: [], describe: () => null, close: () => undefined };
  }
  if (accessFile !== undefined && tlsCert === undefined) logger.warn({}, withoutTls);
  const { openAccess } = await import('../access/open-access.ts');
  try {
    return openAccess({
      token,
      accessFile: accessFile ?? null,
      clock: systemClock,
      url: () => (url() === '' ? '' : nodeUrl(url())),
      events: {
        changed: (what) => {
          audit.write({ event: 'configuration-changed', what: 'access-file', ...what });
          logger.info({ ...what }, 'The access file has changed.');
        },
        broken: (problem) =>
          logger.error(
            { problem },
            'The access file is wrong. What was in it before stays in force.',
          ),
        keysUnavailable: (problem) =>
          logger.error(
            { problem },
            'The keys of an issuer cannot be read: JWTs cannot be checked.',
          ),
      },
    });
  } catch (error) {
    throw new CommandError('INPUT', (error as Error).message, { cause: error });
  }
}

/**
 * By which rules a node lets peers in, for the other nodes to compare. The same on hosts that keep
 * tokens and keys in different places.
 */
export function accessPrint(access: Access, file: object | null): string {
  if (file === null) return access === everyone ? 'open' : 'shared';
  const places: ReadonlySet<string> = new Set(['$schema', 'tokenFile', 'file']);
  const rules = JSON.stringify(file, (key, value) => (places.has(key) ? '' : value));
  return `file ${shortHash(rules, 22)}`;
}

const withoutTls =
  'The node has an access file and no TLS: only identities with a "tokenFile" can come in, and all but their tokens travels unencrypted. Give --tls-cert, --tls-key and --tls-client-ca.';
