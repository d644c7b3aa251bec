/** What every operator's command is given. */
import type { Io } from '../io.ts';
import { jsonText } from '../json.ts';
import { LineWriter } from '../line-writer.ts';
import type { OperatorOptions } from './operator.ts';

export interface OperatorContext extends OperatorOptions {
  readonly io: Io;
  /** Answers for programs: one JSON object on one line. */
  readonly json: boolean;
}

/** One answer, in the form asked for. */
export async function answer(
  context: Pick<OperatorContext, 'io' | 'json'>,
  given: { readonly value: object; readonly lines: () => readonly string[] },
): Promise<void> {
  const writer = new LineWriter(context.io.stdout);
  if (context.json) writer.line(jsonText(given.value));
  else for (const line of given.lines()) writer.line(line);
  await writer.finish();
}
