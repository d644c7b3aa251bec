/** Findings for people: what is wrong stands out, and says what to do. */
import { type Colors, harmless, plural } from '../text.ts';
import type { Finding, FindingStatus } from './finding.ts';

export interface Counts {
  readonly problems: number;
  readonly warnings: number;
  readonly skipped: number;
}

export function countsOf(findings: readonly Finding[]): Counts {
  const of = (status: FindingStatus): number =>
    findings.filter((finding) => finding.status === status).length;
  return { problems: of('problem'), warnings: of('warning'), skipped: of('skipped') };
}

const statusWidth = 'problem'.length;

export function reportLines(
  findings: readonly Finding[],
  colors: Colors,
  given: number = Number.POSITIVE_INFINITY,
): string[] {
  const width = Number.isFinite(given) ? Math.max(40, given) : given;
  const paint: Readonly<Record<FindingStatus, (text: string) => string>> = {
    ok: colors.green,
    warning: colors.yellow,
    problem: colors.red,
    skipped: colors.dim,
  };
  const lines: string[] = [];
  let area: string | null = null;
  for (const finding of findings) {
    if (finding.area !== area) {
      if (area !== null) lines.push('');
      area = finding.area;
      lines.push(colors.bold(harmless(area)));
    }
    const { status, check, found, todo } = finding;
    const first = `${status.padEnd(statusWidth)}  `;
    const [head = '', ...rest] = wrapped(`${check}: ${harmless(found)}`, width - first.length - 2);
    lines.push(`  ${paint[status](status)}${first.slice(status.length)}${head}`);
    const indent = ' '.repeat(first.length + 2);
    lines.push(...rest.map((line) => indent + line));
    if (todo === undefined) continue;
    lines.push(...wrapped(`-> ${todo}`, width - indent.length).map((line) => indent + line));
  }
  const { problems, warnings, skipped } = countsOf(findings);
  const sum = [plural(problems, 'problem'), plural(warnings, 'warning'), `${skipped} skipped`];
  return [...lines, '', `${sum.join(', ')}.`];
}

/** By words; a command that is longer than a line is left whole, to be copied. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
