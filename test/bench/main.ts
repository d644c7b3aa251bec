/**
 * `npm run bench`: what Verdict takes, in sections, each beside its base lines, on this machine.
 * Prints tables, charts and targets; writes JSON, pictures and docs/PERFORMANCE.md when asked to.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { pageOf, picture } from './report/page.ts';
import { clockTime, shownDuration } from './report/shown.ts';
import { svgOf } from './report/svg.ts';
import { targetLine, textOf } from './report/text.ts';
import { argumentsOf } from './suite/arguments.ts';
import { isBusy, type Measurement, newest, type Results, thisMachine } from './suite/results.ts';
import { runSections } from './suite/run.ts';
import { sections } from './suite/sections.ts';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const pictures = join(docs, 'bench');
/** What the page is made of, kept so that one section can be measured again. */
const kept = join(pictures, 'results.json');

const wanted = argumentsOf(process.argv.slice(2), sections);
if ('help' in wanted) {
  console.log(wanted.help);
  process.exit(0);
}
if ('wrong' in wanted) {
  console.error(wanted.wrong);
  process.exit(2);
}
try {
  // Not after all was measured is it to be found out that nothing can be kept.
  if (wanted.json !== null) await (await open(wanted.json, 'a')).close();
  if (wanted.write) await before();
} catch (error) {
  console.error(`What is measured could not be kept: ${(error as Error).message}`);
  process.exit(2);
}
// All that a section makes, and what it starts makes, is in here and goes with it.
const directory = mkdtempSync(join(tmpdir(), 'verdict-bench-'));
process.env['TMPDIR'] = directory;
// What has just been killed may still be writing.
const removal = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 } as const;
process.once('exit', () => rmSync(directory, removal));
for (const [signal, code] of [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  // Not only once: npm and what it starts pass the signal on, and the second one, without a
  // listener, would end the process before `exit` has removed anything.
  process.on(signal, () => {
    progress('');
    console.error(`Ended by ${signal}. Sections that were over by then are kept.`);
    process.exit(code);
  });
}

const machine = thisMachine();
if (isBusy(machine)) {
  const { loadBefore, cores } = machine;
  console.error(
    `This machine is busy (load ${loadBefore.toFixed(1)} on ${cores} cores): what is measured now is worth little.`,
  );
}
const startedMs = performance.now();
const count = wanted.sections.length;
let over = 0;
let said = '';
if (process.stderr.isTTY) setInterval(() => progress(said), 1_000).unref();
const results = await runSections({
  ...wanted,
  directory,
  machine,
  progress,
  measured: ({ title, tookMs, findings }) => {
    over += 1;
    console.log(`\n== ${title} (${shownDuration(tookMs)})\n\n${textOf(findings)}`);
  },
  failed: ({ title, error }) => {
    over += 1;
    console.error(`\n== ${title}: FAILED\n\n${error}`);
  },
  keep: async (soFar) => {
    if (wanted.json !== null) await writeFile(wanted.json, json(soFar));
    if (wanted.write) await write(soFar.measurements);
  },
});
printTargets(results);
console.error(`All of it took ${shownDuration(performance.now() - startedMs)}.`);
if (wanted.quick) console.error('So quick a run shows that all works; its figures say little.');
const left = wanted.sections.slice(over).map(({ name }) => name);
if (left.length > 0) console.error(`Not run: --only ${left.join(',')}`);
process.exit(results.failures.length > 0 ? 1 : 0);

function printTargets({ measurements, failures }: Results): void {
  const targets = measurements.flatMap(({ findings }) => findings.targets);
  if (targets.length > 0) {
    const met = targets.filter((target) => target.met).length;
    console.log(`\n== Targets: ${met} of ${targets.length} met\n`);
    for (const target of targets) console.log(targetLine(target));
  }
  for (const { name, error } of failures) {
    console.error(`FAILED   ${name}: ${error.split('\n')[0] ?? ''}`);
  }
}

async function write(measurements: readonly Measurement[]): Promise<void> {
  await mkdir(pictures, { recursive: true });
  const all = newest(sections, await before(), measurements);
  const charts = all.flatMap(({ findings }) => findings.charts);
  for (const chart of charts) await writeFile(join(docs, picture(chart)), svgOf(chart));
  // The pictures of charts that are no more.
  const named = new Set(charts.map(({ name }) => `${name}.svg`));
  for (const file of await readdir(pictures)) {
    if (file.endsWith('.svg') && !named.has(file)) await rm(join(pictures, file));
  }
  await replace(kept, json(all));
  await replace(join(docs, 'PERFORMANCE.md'), pageOf(all));
}

/** Whole, or as it was: who ends the run may do so at any time. */
async function replace(path: string, text: string): Promise<void> {
  const beside = `${path}.new`;
  await writeFile(beside, text);
  await rename(beside, path);
}

async function before(): Promise<readonly Measurement[]> {
  try {
    return JSON.parse(await readFile(kept, 'utf8')) as readonly Measurement[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Error(`${kept} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Six digits say more than was measured. */
function json(value: unknown): string {
  const short = (_key: string, each: unknown): unknown =>
    typeof each === 'number' && !Number.isInteger(each) ? Number(each.toPrecision(6)) : each;
  return `${JSON.stringify(value, short, 2)}\n`;
}

function progress(text: string): void {
  const where = `[${over + 1} of ${count}, ${clockTime(performance.now() - startedMs)}]`;
  if (process.stderr.isTTY)
    process.stderr.write(`\r\u001b[2K${text === '' ? '' : `${where} ${text}`}`);
  else if (text !== '' && text !== said) process.stderr.write(`${where} ${text}\n`);
  said = text;
}
