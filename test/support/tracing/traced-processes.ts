/** Real processes that write their spans to one file, and what is read of it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsFiles } from '../network/security.ts';
import { Child, eventually } from '../process/child.ts';
import type { SeenSpan } from './recorder.ts';

const preload = new URL('spans-to-file.ts', import.meta.url).href;

/** Processes started while `start` runs write their spans to the file. */
export async function writingSpans<Value>(
  file: string,
  name: string,
  start: () => Promise<Value>,
): Promise<Value> {
  const before = { ...process.env };
  process.env['NODE_OPTIONS'] = `${before['NODE_OPTIONS'] ?? ''} --import ${preload}`;
  process.env['VERDICT_TEST_SPANS'] = file;
  process.env['VERDICT_TEST_SPANS_OF'] = name;
  try {
    return await start();
  } finally {
    for (const each of ['NODE_OPTIONS', 'VERDICT_TEST_SPANS', 'VERDICT_TEST_SPANS_OF']) {
      const value = before[each];
      if (value === undefined) delete process.env[each];
      else process.env[each] = value;
    }
  }
}

interface Given {
  readonly directory: string;
  readonly file: string;
  readonly urls: readonly string[];
  readonly tls?: TlsFiles;
}

export class TracedService {
  readonly name: string;
  readonly #given: Given;
  #child: Child | null = null;

  constructor(name: string, given: Given) {
    this.name = name;
    this.#given = given;
  }

  async start(env: Record<string, string> = {}): Promise<void> {
    const { directory, file, urls, tls } = this.#given;
    const settings = { name: this.name, dataDirectory: join(directory, this.name), urls, tls };
    const args = [JSON.stringify(settings)];
    const child = await writingSpans(file, this.name, async () => {
      return new Child('test/support/tracing/traced-entry.ts', { args, env });
    });
    this.#child = child;
    if ((await child.line(/^Connected\.$/)) === null) throw new Error(child.lines.join('\n'));
  }

  async died(): Promise<void> {
    await this.#child?.exited;
  }

  async kill(): Promise<void> {
    if (this.#child?.exit === null) await this.#child.kill();
  }
}

export function spansIn(file: string): SeenSpan[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as SeenSpan);
}

/** Each span of a trace as a path of names from its root, sorted: what a person would see. */
export function pathsOf(spans: readonly SeenSpan[], trace: string): string[] {
  const own = spans.filter((span) => span.trace === trace);
  const byId = new Map(own.map((span) => [span.id, span]));
  const pathOf = ({ name, process, parent }: SeenSpan): string => {
    const above = parent === null ? undefined : byId.get(parent);
    const here = `${process}: ${name}`;
    if (above === undefined) return parent === null ? here : `? > ${here}`;
    return `${pathOf(above)} > ${here}`;
  };
  return own.map(pathOf).sort();
}

/** Waits until the trace has so many spans. */
export function traceOf(read: () => SeenSpan[], trace: string, count: number): Promise<SeenSpan[]> {
  return eventually(
    () => {
      const spans = read().filter((span) => span.trace === trace);
      return spans.length >= count ? spans : null;
    },
    () => `${count} spans, not\n${pathsOf(read(), trace).join('\n')}`,
  );
}
