/** One line of `verdict exec`: words, then `name=value`; a final `&` runs it in the background. */

/** What a simulated participant answers to prepare. */
export const simulatedVotes = ['commit', 'abort', 'throw', 'hang'] as const;
export type SimulatedVote = (typeof simulatedVotes)[number];

export interface Simulation {
  readonly vote: SimulatedVote;
  /** Before each of its answers. */
  readonly delayMs: number;
  /** So many commits answer false before one is done. */
  readonly commitFailures: number;
  readonly rollbackFailures: number;
}

export type Operation =
  | { readonly op: 'begin'; readonly tx: string | null; readonly timeoutMs: number | null }
  | {
      readonly op: 'register';
      readonly tx: string | null;
      readonly participant: string;
      /** null: nothing was said of it. */
      readonly simulation: Simulation | null;
      readonly payload: unknown;
    }
  | { readonly op: 'commit'; readonly tx: string | null }
  | { readonly op: 'rollback'; readonly tx: string | null; readonly reason: string | null }
  | { readonly op: 'status'; readonly tx: string | null; readonly waitMs: number };

export type ParsedLine =
  | { readonly operation: Operation; readonly behind: boolean }
  | { readonly problem: string };

const maxDurationMs = 3_600_000;
const maxFailures = 1_000_000;

/** The values that may hold spaces, and so end the line. */
const lastOnly: readonly string[] = ['payload', 'reason'];

const known: Readonly<Record<Operation['op'], readonly string[]>> = {
  begin: ['timeout'],
  register: ['tx', 'vote', 'delay', 'commit-failures', 'rollback-failures', 'payload'],
  commit: [],
  rollback: ['reason'],
  status: ['wait'],
};

class Problem extends Error {}

/** null: nothing on the line but a comment. */
export function parseLine(text: string): ParsedLine | null {
  const line = text.trim();
  if (line === '' || line.startsWith('#')) return null;
  try {
    return parse(line);
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message };
    throw error;
  }
}

function parse(line: string): ParsedLine {
  const { words, values, behind } = split(line);
  const [op = '', first, ...more] = words;
  if (!Object.hasOwn(known, op)) {
    throw new Problem(
      `There is no operation ${JSON.stringify(op)}: begin, register, commit, rollback or status.`,
    );
  }
  const allowed = known[op as Operation['op']];
  for (const name of values.keys()) {
    if (!allowed.includes(name)) {
      const names = allowed.map((each) => `${each}=`).join(', ');
      throw new Problem(
        allowed.length === 0
          ? `${op} takes no name=value, so no ${name}= either.`
          : `${op} takes no ${name}=; it takes ${names}.`,
      );
    }
  }
  if (more.length > 0) throw new Problem(`${op} takes one word after it, not also ${more[0]}.`);
  return { operation: operation(op as Operation['op'], first ?? null, values), behind };
}

function operation(
  op: Operation['op'],
  first: string | null,
  values: ReadonlyMap<string, string>,
): Operation {
  switch (op) {
    case 'begin': {
      const timeoutMs = values.has('timeout') ? number(values, 'timeout', maxDurationMs) : null;
      return { op, tx: first, timeoutMs };
    }
    case 'register': {
      if (first === null) throw new Problem('register needs the name of a participant after it.');
      const tx = values.get('tx') ?? null;
      const payload = values.has('payload') ? json(values.get('payload') ?? '') : undefined;
      return { op, tx, participant: first, simulation: simulation(values), payload };
    }
    case 'commit':
      return { op, tx: first };
    case 'rollback':
      return { op, tx: first, reason: values.get('reason') ?? null };
    case 'status':
      return { op, tx: first, waitMs: number(values, 'wait', maxDurationMs) };
  }
}

function simulation(values: ReadonlyMap<string, string>): Simulation | null {
  const said = ['vote', 'delay', 'commit-failures', 'rollback-failures'];
  if (!said.some((name) => values.has(name))) return null;
  const vote = values.get('vote') ?? 'commit';
  if (!(simulatedVotes as readonly string[]).includes(vote)) {
    throw new Problem(`vote= must be one of ${simulatedVotes.join(', ')}, not ${vote}.`);
  }
  return {
    vote: vote as SimulatedVote,
    delayMs: number(values, 'delay', maxDurationMs),
    commitFailures: number(values, 'commit-failures', maxFailures),
    rollbackFailures: number(values, 'rollback-failures', maxFailures),
  };
}

function split(line: string): { words: string[]; values: Map<string, string>; behind: boolean } {
  const words: string[] = [];
  const values = new Map<string, string>();
  let rest = line;
  let behind = false;
  while (rest !== '') {
    const word = /^\S+/.exec(rest)?.[0] ?? '';
    const after = rest.slice(word.length).trimStart();
    const equals = word.indexOf('=');
    const name = word.slice(0, Math.max(0, equals));
    if (word === '&' && after === '') {
      behind = true;
    } else if (equals <= 0) {
      if (values.size > 0)
        throw new Problem(`${word} stands behind a name=value: words come first.`);
      words.push(word);
    } else {
      if (values.has(name)) throw new Problem(`${name}= is there twice.`);
      const last = lastOnly.includes(name);
      values.set(name, (last ? rest : word).slice(equals + 1));
      if (last) break;
    }
    rest = after;
  }
  return { words, values, behind };
}

function number(values: ReadonlyMap<string, string>, name: string, max: number): number {
  const text = values.get(name);
  if (text === undefined) return 0;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max) {
    throw new Problem(`${name}= must be a whole number from 0 to ${max}, not ${text}.`);
  }
  return value;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('payload= must be JSON, and the last on its line.');
  }
}
