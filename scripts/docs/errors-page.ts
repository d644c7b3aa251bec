/**
 * docs/errors.md, made from the catalogues: `npm run docs:errors` writes it, a test holds it
 * against them.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ErrorEntry, errorCatalogue, reasonCatalogue } from '../../src/core/catalogue.ts';
import { errorCodes, reasonCodes } from '../../src/core/codes.ts';
import { peerErrorCatalogue } from '../../src/peer/catalogue.ts';
import { peerErrorCodes } from '../../src/peer/verdict-error.ts';

export const errorsPagePath: string = fileURLToPath(
  new URL('../../docs/errors.md', import.meta.url),
);

const head = `# Errors and abort reasons

<!-- Made by \`npm run docs:errors\` from src/core/catalogue.ts and src/peer/catalogue.ts. -->

An *abort* is a result, not an error: \`outcome.reason.code\` says why, and the transaction leaves
nothing behind. An *error* (\`error.code\` of a \`VerdictError\`) says that a call was not answered as
intended. Match both by their code. Both carry \`retryable\`: whether the same call can succeed later
or elsewhere. \`client.run\` retries what is retryable.

*Had effect?* says what may have happened before the error: *nothing*, so that it is safe to repeat,
or *unknown*: ask by \`requestId\` or txid first.
`;

export function errorsPage(): string {
  const reasons = reasonCodes.map((code) => {
    const { retryable, text, look } = reasonCatalogue[code];
    return row([`\`${code}\``, cell(text), retryable ? 'yes' : 'no', cell(look)]);
  });
  return `${head}
## Why a transaction aborted

| code | what happened | retry? | where to look when it comes often |
| --- | --- | --- | --- |
${reasons.join('\n')}

A participant may call its own \`VOTED_ABORT\` retryable: what the abort itself says counts.

## Errors that a node answers

${errorTable(errorCodes, errorCatalogue)}

## Errors that only the SDK can know

${errorTable(peerErrorCodes, peerErrorCatalogue)}
`;
}

function errorTable<Code extends string>(
  codes: readonly Code[],
  catalogue: Readonly<Record<Code, ErrorEntry>>,
): string {
  const rows = codes.map((code) => {
    const { retryable, acted, text, look } = catalogue[code];
    return row([`\`${code}\``, cell(text), acted, retryable ? 'yes' : 'no', cell(look)]);
  });
  return [
    '| code | what happened, and what to do | had effect? | retry? | where to look |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

if (import.meta.main) writeFileSync(errorsPagePath, errorsPage());
