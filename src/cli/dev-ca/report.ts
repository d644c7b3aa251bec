/** What `verdict dev-ca` says at its end: what it did, and what to run next. */
import { join, relative } from 'node:path';
import { entryOf, type GivenIdentity, nodeName } from './access.ts';
import { certificateFile, keyFile } from './files.ts';

export interface Line {
  readonly did: 'made' | 'kept' | 'renewed';
  readonly path: string;
  readonly untilMs: number;
  readonly hosts?: readonly string[];
}

export interface Report {
  readonly directory: string;
  readonly lines: readonly Line[];
  readonly nodes: readonly string[];
  /** An identity to show. */
  readonly example: string;
  /** Named, and without an entry in the access file that is there. */
  readonly unlisted: readonly GivenIdentity[];
  /** There from before, not named now, and without an entry: what they may do is not known. */
  readonly unknown: readonly string[];
}

export function reportText({
  directory,
  lines,
  nodes,
  example,
  unlisted,
  unknown,
}: Report): string {
  const did = lines.map(({ did, path, untilMs, hosts = [] }) => {
    const until = new Date(untilMs).toISOString().slice(0, 10);
    const where = hosts.length === 0 ? '' : `, for ${hosts.join(', ')}`;
    return `  ${did.padEnd(8)} ${relative(directory, path)} until ${until}${where}`;
  });
  return `Certificates for trying and tests, in ${directory}:
${did.join('\n')}
${accessNote(join(directory, 'access.json'), unlisted, unknown)}
${nextSteps(directory, nodes, example)}
For trying and tests only: the authority's key lies in ${join(directory, keyFile('ca'))}. Whoever has it
can be any node and any identity. In production let cert-manager, Vault, SPIRE or step-ca issue
certificates with names of the same kinds.
`;
}

function accessNote(
  file: string,
  unlisted: readonly GivenIdentity[],
  unknown: readonly string[],
): string {
  const entries = unlisted.map((identity) => `  ${JSON.stringify(entryOf(identity))}`);
  const toAdd =
    entries.length === 0
      ? ''
      : `\n${file} was there and stays as it is. Add to its "identities":\n${entries.join(',\n')}\n`;
  const toName =
    unknown.length === 0
      ? ''
      : `\n${file} has no entry for ${unknown.join(', ')}. Name them in --identity to be shown one.\n`;
  return toAdd + toName;
}

function nextSteps(directory: string, [node = 'a']: readonly string[], identity: string): string {
  const at = (...parts: readonly string[]) => shellWord(join(directory, ...parts));
  const files = (folder: string, name: string, file: (stem: string) => string) =>
    join(directory, folder, file(name));
  const read = (path: string) => `{ file: ${JSON.stringify(path)} }`;
  return `Next, a node:
  $ npx verdict serve --node ${node} --tls-cert ${at('nodes', certificateFile(node))} \\
      --tls-key ${at('nodes', keyFile(node))} --tls-client-ca ${at(certificateFile('ca'))} \\
      --access-file ${at('access.json')}

and what a process that is ${identity} gives to connect or serveParticipant:
  urls: ['wss://localhost:7070'],
  tls: {
    ca: ${read(join(directory, certificateFile('ca')))},
    cert: ${read(files('identities', identity, certificateFile))},
    key: ${read(files('identities', identity, keyFile))},
    nodeNames: ['${nodeName}'],
  },
`;
}

/** As a shell takes it for one word. */
function shellWord(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
