/** What Prisma's errors say of a call, as version 7 puts it. */
import { describe, expect, it } from 'vitest';
import { untoldCall } from '../../../src/orm/prisma-text.ts';

const said = (message: string): string | null => untoldCall(new Error(message));

const args = '{\n  data: {\n    name: "hunter2\n→ 1 (\nhunter2"\n  }\n}';
const wrong = 'Argument `id`: Invalid value provided.';
const code = '\n/srv/pay.ts:13:25\n\n  12 const password = "hunter2";\n→ 13 await p.a.create(';

describe("Prisma's text of a call that failed", () => {
  it.each([
    ['with arguments', `\nInvalid \`p.a.create()\` invocation:\n\n${args}\n\n${wrong}`],
    ['with code around it', `\nInvalid \`p.a.create()\` invocation in${code}${args})\n\n${wrong}`],
    [
      'in colours',
      `\n\u001b[31mInvalid \u001b[1m\`p.a.create()\`\u001b[22m invocation:\u001b[39m\n\n${args}\n\n\u001b[1m${wrong}\u001b[22m`,
    ],
  ])('%s: without them', (_name, message) => {
    expect(said(message)).toBe(`Invalid \`p.a.create()\` invocation: ${wrong}`);
  });

  it.each([
    ['alone', ':\n\n\n'],
    ['with code around it', ` in${code}\n`],
  ])('a reason of several lines, %s, is whole', (_name, between) => {
    expect(said(`\nInvalid \`p.a.create()\` invocation${between}one\n\ntwo: (\nthree`)).toBe(
      'Invalid `p.a.create()` invocation: one\n\ntwo: (\nthree',
    );
  });

  it('without a reason it is the call', () => {
    expect(said('\nInvalid `p.a.create()` invocation:\n\n\n')).toBe(
      'Invalid `p.a.create()` invocation',
    );
  });

  it('others are let be', () => {
    expect(said('Invalid `x`')).toBeNull();
    expect(said('one\nInvalid `x`')).toBeNull();
  });
});
