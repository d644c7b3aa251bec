/** Which phases met which faults, as a table, and which never did. */

import { branchPhases, transactionPhases } from '../coverage.ts';
import { faultNames } from '../faults.ts';

/**
 * Not events but conditions: they hold for a whole run. Deaths at named points are told by the
 * point.
 */
const conditions: ReadonlySet<string> = new Set([
  'application-fails',
  'clock-drift',
  'etcd-slow',
  'node-point-crash',
  'participant-point-crash',
  'refuses',
  'slow-disk',
  'slow-prepare',
  'watch-deaf',
]);

export function coverageReport(cells: Readonly<Record<string, number>>): string[] {
  const events = [
    ...new Set([
      ...faultNames.filter((name) => !conditions.has(name)),
      ...Object.keys(cells).map(eventOf),
    ]),
  ].sort();
  const rows = [...transactionPhases, ...branchPhases.map((phase) => `branch ${phase}`)];
  const lines = [
    `${''.padEnd(26)}${rows.map((row) => row.replace('branch ', 'b.').slice(0, 9).padStart(10)).join('')}`,
  ];
  const never: string[] = [];
  for (const event of events) {
    const counts = rows.map((row) => cells[`${row} x ${event}`] ?? 0);
    lines.push(`${event.padEnd(26)}${counts.map((count) => String(count).padStart(10)).join('')}`);
    for (const [index, count] of counts.entries()) {
      if (count === 0) never.push(`${rows[index]} x ${event}`);
    }
  }
  lines.push('', `Never met: ${never.length === 0 ? 'none' : never.join('; ')}`);
  return lines;
}

function eventOf(cell: string): string {
  return cell.slice(cell.indexOf(' x ') + 3);
}
