/** TLS on the command line: of a command that dials, and of a node. */
import { type Command, Option } from 'commander';
import { checkTls } from '../peer/tls.ts';
import { nodeUrl } from '../peer/url.ts';
import type { TlsOptions } from '../ports/tls.ts';
import { usageError } from './command-error.ts';

export interface TlsFlags {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
  readonly tlsNodeNames?: readonly string[];
}

export interface ServerTlsFlags extends TlsFlags {
  readonly tlsClientCa?: string;
  readonly tlsClientAuth?: 'optional' | 'required';
}

/** `before`: when they count, for the help. */
export function tlsOptions(command: Command, before = ''): Command {
  return command
    .addOption(
      new Option(
        '--tls-ca <file>',
        `${before}who signs the nodes' certificates (PEM); addresses without a scheme are then wss://`,
      ).env('VERDICT_TLS_CA'),
    )
    .addOption(
      new Option('--tls-cert <file>', `${before}own certificate, where nodes ask for one`).env(
        'VERDICT_TLS_CERT',
      ),
    )
    .addOption(
      new Option('--tls-key <file>', `${before}key of that certificate`).env('VERDICT_TLS_KEY'),
    )
    .addOption(
      new Option(
        '--tls-server-name <name>',
        `${before}the name in all nodes' certificates, in place of the host in their address`,
      ).env('VERDICT_TLS_SERVER_NAME'),
    )
    .addOption(
      nodeNamesOption(`${before}names of which a node's certificate must have one`).env(
        'VERDICT_TLS_NODE_NAMES',
      ),
    );
}

/** Of a node. Not from the environment, which may hold what commands beside it dial with. */
export function serverTlsOptions(command: Command): Command {
  return command
    .option('--tls-cert <file>', 'certificate of this node (PEM): it speaks TLS alone, wss://')
    .option('--tls-key <file>', 'key of that certificate')
    .option('--tls-client-ca <file>', "who signs the peers' certificates: each must show one")
    .addOption(
      new Option(
        '--tls-client-auth <who>',
        'with --tls-client-ca: whether a peer must show one (default: required; optional: or the token)',
      ).choices(['required', 'optional']),
    )
    .option('--tls-ca <file>', "who signs the other nodes' certificates (default: Node's own list)")
    .option('--tls-server-name <name>', "the name in all other nodes' certificates")
    .addOption(nodeNamesOption("names of which another node's certificate must have one"));
}

function nodeNamesOption(meaning: string): Option {
  return new Option(
    '--tls-node-names <names>',
    `${meaning}: hosts, *.example, or URIs that may end in *; separate several with commas`,
  ).argParser((text: string) => text.split(',').map((name) => name.trim()));
}

/** Undefined where none is given. What cannot be is wrong usage. */
export function dialTls(flags: TlsFlags, urls: readonly string[]): TlsOptions | undefined {
  const { tlsCa, tlsCert, tlsKey, tlsServerName, tlsNodeNames } = flags;
  const tls: TlsOptions = {
    ...(tlsCa !== undefined && { ca: { file: tlsCa } }),
    ...(tlsCert !== undefined && { cert: { file: tlsCert } }),
    ...(tlsKey !== undefined && { key: { file: tlsKey } }),
    ...(tlsServerName !== undefined && { serverName: tlsServerName }),
    ...(tlsNodeNames !== undefined && { nodeNames: tlsNodeNames }),
  };
  if (Object.keys(tls).length === 0) return;
  refuseHalf(flags);
  try {
    checkTls(tls);
    for (const url of urls) nodeUrl(url, true);
  } catch (error) {
    throw usageError(
      (error as Error).message
        .replace('tls.serverName', '--tls-server-name')
        .replace('tls.nodeNames', '--tls-node-names'),
    );
  }
  return tls;
}

/** Throws for what a node cannot be started with. */
export function checkServerTls(flags: ServerTlsFlags, token: string | null): void {
  refuseHalf(flags);
  const { tlsCert, tlsClientCa, tlsClientAuth } = flags;
  if (tlsClientCa !== undefined && tlsCert === undefined) {
    throw usageError('--tls-client-ca needs --tls-cert and --tls-key. Give them too.');
  }
  if (tlsClientAuth !== undefined && tlsClientCa === undefined) {
    throw usageError('--tls-client-auth needs --tls-client-ca. Give the file too.');
  }
  if (tlsClientAuth === 'optional' && token === null) {
    throw usageError(
      'With --tls-client-auth optional a peer without a certificate needs the token, and there is none: any peer could do everything. Give a --token-file, or leave --tls-client-auth out.',
    );
  }
}

function refuseHalf({ tlsCert, tlsKey }: TlsFlags): void {
  if ((tlsCert === undefined) === (tlsKey === undefined)) return;
  const [given, missing] =
    tlsKey === undefined ? ['--tls-cert', '--tls-key'] : ['--tls-key', '--tls-cert'];
  throw usageError(`${given} is of no use without ${missing}. Give both.`);
}
