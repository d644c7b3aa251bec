/**
 * For `--import`: the spans of the process, a line each, to the file of VERDICT_TEST_SPANS. Written
 * as they end: a process that is killed leaves them.
 */
import { appendFileSync } from 'node:fs';
import { record } from './recorder.ts';

const file = process.env['VERDICT_TEST_SPANS'] ?? '';
const node = process.argv.indexOf('--node');
const name = node === -1 ? process.env['VERDICT_TEST_SPANS_OF'] : process.argv.at(node + 1);
if (file !== '') {
  record({
    process: name ?? '',
    ended: (span) => appendFileSync(file, `${JSON.stringify(span)}\n`),
  });
}
