/** What every operator's command is given. */
import type { Io } from '../io.ts';
import { LineWriter } from '../line-writer.ts';
import type { ConnectionFlags } from '../options.ts';
import { widthOf } from '../table.ts';
import { type Colors, colorsFor, jsonText } from '../text.ts';

export interface OperatorContext extends ConnectionFlags {
  readonly io: Io;
}

/** One answer: as one JSON object on one line with --json, else the lines, for people. */
export async function answer(
  { io, json }: Pick<OperatorContext, 'io' | 'json'>,
  value: object,
  lines: (colors: Colors, width: number) => readonly string[],
): Promise<void> {
  const writer = new LineWriter(io.stdout);
  if (json) writer.line(jsonText(value));
  else
    for (const line of lines(colorsFor(io.stdout, io.env), widthOf(io.stdout))) writer.line(line);
  await writer.finish();
}
