import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { messagesPage, messagesPagePath } from '../../../scripts/docs/messages-page.ts';

it('docs/MESSAGES.md is what the tables of the wire say (npm run docs:messages)', () => {
  expect(readFileSync(messagesPagePath, 'utf8')).toBe(messagesPage());
});
