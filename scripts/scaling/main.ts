/** `npm run scaling`: the cost model and simulated runs, as in docs/SCALING.md or of your own. */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { textTable } from '../../test/bench/report/text.ts';
import { argumentsOf } from './arguments.ts';
import { costsOf } from './costs.ts';
import { measure } from './measure.ts';
import { type Measured, measuredPath, readMeasured } from './measured.ts';
import { limitsOf } from './model.ts';
import { scalingPage, scalingPagePath } from './page.ts';
import { latencyTable, raise, resourceTable } from './runs.ts';
import { simulate } from './simulate.ts';
import { capacityTable, loadTable } from './tables.ts';

const asked = argumentsOf(process.argv.slice(2));
if ('help' in asked) console.log(asked.help);
else if ('wrong' in asked) {
  console.error(asked.wrong);
  process.exitCode = 2;
} else {
  if (asked.measure) {
    const measured = await measure((text) => console.error(text));
    writeFileSync(measuredPath, json(measured));
  }
  if (asked.write) writeFileSync(scalingPagePath, scalingPage(readMeasured()));
  if (!asked.measure && !asked.write) show();
  // What the bench's rig has started is over; nothing of it is waited for.
  process.exit();
}

function show(): void {
  if ('help' in asked || 'wrong' in asked) return;
  const { deployment, seed, durationMs, takeoverMs } = asked;
  const costs = costsOf(readMeasured());
  const run = { seed, warmUpMs: 100, durationMs };
  const plain = simulate(costs, deployment, run);
  const long = Math.max(durationMs, 4 * takeoverMs);
  const lost = simulate(costs, deployment, { ...run, durationMs: long, takeoverMs });
  for (const { what, wanted, most } of limitsOf(deployment)) {
    if (wanted > most) console.log(`Not possible today: ${wanted} ${what}, at most ${most}.`);
  }
  const tables = [
    loadTable(costs, deployment),
    capacityTable(costs, [deployment]),
    raise(costs, deployment, { seed, durationMs }),
    resourceTable(`Simulated: ${durationMs} ms`, plain),
    latencyTable('Simulated', [
      ['as it is', plain],
      [`a node dies half-way, its shards are led again ${takeoverMs} ms later`, lost],
    ]),
  ];
  console.log(tables.map(textTable).join('\n\n'));
}

function json(measured: Measured): string {
  const short = (_key: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  return `${JSON.stringify(measured, short, 2)}\n`;
}
