import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

/** In a process of its own: the log is written to stderr. */
function logOf(format: string): string {
  const code = `import { createLogger } from './src/node/logging.ts';
    const logger = await createLogger({ level: 'info', format: '${format}', node: 'a' });
    logger.warn({ lastError: 'x\\u202ey\\u009b31m\\u001b[31m ü' }, 'Of \\u200bstrangers.');`;
  return spawnSync(process.execPath, ['--input-type=module-typescript', '-e', code], {
    encoding: 'utf8',
  }).stderr;
}

it('shows people nothing that turns a line around or moves a cursor', () => {
  const text = logOf('pretty');
  expect(text).toContain('ü');
  expect(text).toMatch(/lastError: "x\\+u202ey\\+u009b31m\\+u001b\[31m ü"/);
  expect(text).toContain('Of \\u200bstrangers.');
  for (const raw of ['\u202e', '\u009b', '\u001b', '\u200b']) expect(text).not.toContain(raw);
});

it('gives machines what was said, as JSON that people may look at', () => {
  const text = logOf('json');
  for (const raw of ['\u202e', '\u009b', '\u001b', '\u200b']) expect(text).not.toContain(raw);
  expect(JSON.parse(text)).toMatchObject({
    lastError: 'x\u202ey\u009b31m\u001b[31m ü',
    msg: 'Of \u200bstrangers.',
  });
});
