/**
 * docs/MESSAGES.md, made from the tables that validate what comes in: `npm run docs:messages`
 * writes it.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromNodeShapes } from '../../src/wire/shapes-from-node.ts';
import { toNodeShapes } from '../../src/wire/shapes-to-node.ts';
import type { Fields } from '../../src/wire/validators.ts';
import { fromNodeSamples, toNodeSamples } from '../../test/support/samples/samples.ts';

export const messagesPagePath: string = fileURLToPath(
  new URL('../../docs/MESSAGES.md', import.meta.url),
);

const head = `# Messages of \`verdict.v1\`

<!-- Made by \`npm run docs:messages\` from src/wire/shapes-to-node.ts and shapes-from-node.ts,
which validate what comes in. -->

Each message is one map: MessagePack in a binary WebSocket message, or a line of JSON in a text
message. \`type\` names it and is always present. Unlisted fields are ignored. A field that breaks its
rule gets \`error\` with \`INVALID_MESSAGE\` and the path of the field. Optional fields may be left out.
A field may be null only where its rule says so. Byte counts are of UTF-8. What the messages mean,
and who may send what when, is in [PROTOCOL.md](PROTOCOL.md), section 7. The examples show every
field.
`;

export function messagesPage(): string {
  return `${head}
## To a node

${messages(toNodeShapes, toNodeSamples)}

## From a node

${messages(fromNodeShapes, fromNodeSamples)}
`;
}

function messages(
  shapes: Readonly<Record<string, Fields>>,
  samples: Readonly<Record<string, unknown>>,
): string {
  return Object.entries(shapes)
    .map(([type, fields]) => {
      const rows = rowsOf(fields, '');
      const table =
        rows.length === 0
          ? ['No fields.']
          : ['| field | there | must be | what for |', '| --- | --- | --- | --- |', ...rows];
      const example = JSON.stringify(samples[type]);
      return [`### ${type}`, '', ...table, '', '```json', example, '```'].join('\n');
    })
    .join('\n\n');
}

function rowsOf(fields: Fields, path: string): string[] {
  return Object.entries(fields).flatMap(([name, { rule, optional, about }]) => {
    const here = `${path}${name}`;
    const there = optional ? 'optional' : 'always';
    const row = `| \`${here}\` | ${there} | ${cell(rule.text)} | ${cell(about)} |`;
    return [row, ...(rule.fields === undefined ? [] : rowsOf(rule.fields, `${here}.`))];
  });
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

if (import.meta.main) writeFileSync(messagesPagePath, messagesPage());
