/** `verdict dev-ca` on the command line. */
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import type { SetExitCode } from '../options.ts';
import { wholeNumber } from '../parameters.ts';
import type { DevCaFlags } from './dev-ca.ts';
import { directoryArgument, hosts, identities, nodeNames } from './parameters.ts';

/** Clients of some platforms take no certificate that is valid for longer. */
const maxDays = 825;

export function devCaCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  program
    .command('dev-ca')
    .summary('certificates to try mutual TLS with: an authority, nodes, identities')
    .description(
      'Makes a certificate authority of your own, certificates of nodes and identities from it, and an access file that lists them. For trying and tests: the key of the authority lies next to them.',
    )
    .option('--directory <dir>', 'where they go', directoryArgument, './verdict-certs')
    .option(
      '--node <names>',
      'nodes; separate several with commas (default: those that are there, else a)',
      nodeNames,
    )
    .option(
      '--host <hosts>',
      'DNS names and IP addresses at which the nodes named by --node are dialled, beside localhost, 127.0.0.1, ::1 and the host name; separate several with commas',
      hosts,
    )
    .option(
      '--identity <names>',
      'identities; separate several with commas. Each is a client and a participant of its name, or what stands before it: client:, participant:, operator: or viewer: (default: those that are there, else app,operator:admin)',
      identities,
    )
    .option(
      '--days <n>',
      'how long new certificates are valid; the authority: 10 years',
      wholeNumber({ min: 1, max: maxDays }),
      30,
    )
    .option('--renew', 'renew all certificates now, not only those in the last third of their time')
    .addHelpText('after', help)
    .action(async (flags: DevCaFlags) => {
      const { devCa } = await import('./dev-ca.ts');
      setExitCode(await devCa(io, flags));
    });
}

const help = `
Run again, it keeps the authority and all keys, adds what is missing and renews what expires soon.
It writes over nothing that it did not make, and never over access.json.

  ca.crt, ca.key         the authority: --tls-client-ca of a node, tls.ca of the SDKs
  nodes/a.crt, .key      a node, spiffe://verdict.local/node/a; all are verdict-node.internal
  identities/app.crt     an identity, spiffe://verdict.local/app
  access.json            what each identity may do: --access-file of a node

Examples:
  $ verdict dev-ca
  $ verdict dev-ca --node a,b,c --host a.example,b.example,c.example,10.0.0.1 \\
      --identity payment,participant:inventory,client:shop,operator:alice
  $ verdict dev-ca --renew --days 90`;
