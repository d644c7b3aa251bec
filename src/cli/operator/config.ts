/** `verdict config`: what a node runs with, or whether an access file is right. */
import { isDeepStrictEqual } from 'node:util';
import { AccessFileError, readAccessFile } from '../../access/access-file.ts';
import { SecretFileError } from '../../system/secret-file.ts';
import { CommandError } from '../command-error.ts';
import { plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { withOperator } from './operator.ts';

export async function showConfig(context: OperatorContext): Promise<void> {
  const { configuration } = await withOperator(context, (operator) => operator.config());
  await answer(context, configuration as object, () => linesOf(configuration, ''));
}

/** Without a node. */
export async function checkAccessFile(
  context: Pick<OperatorContext, 'io' | 'json'>,
  file: string,
): Promise<void> {
  try {
    const { identities, issuers } = readAccessFile(file);
    const names = identities.map(({ rights }) => rights.name);
    await answer(context, { file, identities: names, issuers: issuers.length }, () => [
      `${file} is right: ${plural(names.length, 'identity', 'identities')}, ${plural(issuers.length, 'issuer')}.`,
    ]);
  } catch (error) {
    if (!(error instanceof AccessFileError) && !(error instanceof SecretFileError)) throw error;
    throw new CommandError('INPUT', error.message, { cause: error });
  }
}

/** One line for each value, by its path; a list of plain values in one. */
function linesOf(value: unknown, path: string): string[] {
  if (value === undefined || isDeepStrictEqual(value, {})) return [];
  if (typeof value !== 'object' || value === null || isPlainList(value)) {
    return [`${path}  ${Array.isArray(value) ? value.join(', ') : String(value)}`];
  }
  return Object.entries(value).flatMap(([key, each]) =>
    linesOf(each, path === '' ? key : `${path}.${key}`),
  );
}

function isPlainList(value: object): boolean {
  return Array.isArray(value) && value.every((each) => typeof each !== 'object');
}
