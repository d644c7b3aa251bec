/** How docs/api is made of the models of the package's entries. */
import { describe, expect, it } from 'vitest';
import { type Item, modelsOf } from '../../../scripts/api/model.ts';
import { referencePages } from '../../../scripts/api/reference.ts';

type Text = string | readonly [text: string, reference: string];

function item(kind: string, name: string, texts: readonly Text[], more: Partial<Item> = {}): Item {
  return {
    kind,
    name,
    canonicalReference: `verdict!${name}:x`,
    docComment: `/**\n * About ${name}.\n */\n`,
    fileUrlPath: `src/${name}.ts`,
    excerptTokens: texts.map((text) =>
      typeof text === 'string' ? { text } : { text: text[0], canonicalReference: text[1] },
    ),
    ...more,
  };
}

function pages(entries: Readonly<Record<string, readonly Item[]>>): Map<string, string> {
  const files = Object.entries(entries).map(([entry, members]): [string, string] => [
    entry,
    JSON.stringify({ members: [{ members }] }),
  ]);
  return referencePages(
    modelsOf(new Map(files)),
    new Map(files.map(([entry]) => [entry, `\`verdict/${entry}\`: for tests.`])),
  );
}

const options = item('Interface', 'Options', ['export interface Options '], {
  members: [
    item('PropertySignature', 'atMs', ['readonly atMs?: ', 'number', ';'], {
      docComment: '/**\n * When. See docs/errors.md.\n * ```ts\n * at(1);\n * ```\n */\n',
    }),
  ],
});
const connect = item('Function', 'connect', [
  'export declare function connect(options: ',
  ['Options', 'verdict!Options:interface'],
  '): ',
  ['Promise', '!Promise:interface'],
  '<void>',
  ';',
]);

describe('the API reference', () => {
  it('has signatures with links, comments, and members', () => {
    expect(pages({ client: [connect, options] }).get('client.md')).toBe(
      `# verdict/client

\`verdict/client\`: for tests.

## Functions and values

### connect

\`function connect(options:\` [\`Options\`](#options)\`): Promise<void>\`

About connect.

## Types

### Options

\`interface Options\`

About Options.

- \`atMs?: number\`\\
  When. See [docs/errors.md](../errors.md).

  \`\`\`ts
  at(1);
  \`\`\`
`,
    );
  });

  it('describes a name once, in the first entry that exports it, and refers there', () => {
    const named = { ...options, canonicalReference: 'verdict!~Options:interface' };
    const made = pages({ index: [connect, options], first: [connect, named], client: [options] });
    expect(made.get('first.md')).toContain('[`Options`](client.md#options)');
    expect(made.get('first.md')).not.toContain('### Options');
    expect(made.get('client.md')).toContain('### Options');
    expect(made.get('index.md')).toContain(
      '## Exported here too\n\n[`Options`](client.md#options), [`connect`](first.md#connect)\n',
    );
  });

  it('keeps apart what two files call by one name', () => {
    const other = item('Interface', 'Options', ['export interface Options '], {
      fileUrlPath: 'src/other.ts',
    });
    const made = pages({ client: [options], other: [other, connect] });
    expect(made.get('other.md')).toContain('### Options');
    expect(made.get('other.md')).toContain('[`Options`](#options)');
  });

  it('says what is named and not exported, and counts anchors as GitHub does', () => {
    const type = item('TypeAlias', 'Connect', ['export type Connect = ', 'string', ';']);
    const hidden = item('Interface', 'Hidden', ['interface Hidden '], {
      canonicalReference: 'verdict!~Hidden:interface',
    });
    const user = item('Function', 'use', [
      'export declare function use(a: ',
      ['Connect', 'verdict!Connect:type'],
      ', b: ',
      ['Hidden', 'verdict!~Hidden:interface'],
      '): void;',
    ]);
    const page = pages({ client: [connect, options, type, hidden, user] }).get('client.md') ?? '';
    expect(page).toContain('[`Connect`](#connect-1)');
    expect(page).toContain('[`Hidden`](#hidden)');
    expect(page).toMatch(/## Named above, not exported\n\n### Hidden\n/);
  });

  it('puts a long signature into a block, with its types below', () => {
    const long = item('Function', 'long', [
      `export declare function long(${'very'.repeat(30)}: `,
      ['Options', 'verdict!Options:interface'],
      '): void;',
    ]);
    const page = pages({ client: [long, options] }).get('client.md') ?? '';
    expect(page).toContain('```ts\nfunction long(very');
    expect(page).toContain('): void\n```\n\nIts types: [`Options`](#options).');
  });
});
