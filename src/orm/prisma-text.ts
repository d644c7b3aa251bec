/** Prisma quotes the call that failed, its values and the code around it. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are meant
const colours = /\u001b\[[\d;]*m/g;

/**
 * The arguments are not quoted, so all that follows is the reason: the call is followed by nothing,
 * or by lines of code, the last of which, with an arrow, ends where the arguments would begin.
 */
const withoutArguments =
  /^\nInvalid `.*` invocation(?::\n\n| in\n.*\n\n(?: .*\n)*→.*\()\n(?<reason>[\s\S]*)$/;

/** What remains of it without them. Null: it is no such text. */
export function untoldCall({ message }: Error): string | null {
  // With `errorFormat: 'pretty'` it is in colours.
  const text = message.replace(colours, '');
  if (!text.startsWith('\nInvalid `')) return null;
  const lines = text.trim().split('\n');
  const call = lines[0]?.replace(/:$| in$/, '');
  if (lines.length === 1) return `${call}`;
  // Behind a value, which may have lines of any kind, only the last one is surely none of it.
  const reason = withoutArguments.exec(text)?.groups?.['reason'] ?? lines.at(-1);
  return `${call}: ${reason?.trim()}`;
}
