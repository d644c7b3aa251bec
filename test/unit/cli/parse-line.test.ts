import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLine } from '../../../src/cli/submit/parse-line.ts';
import { findLoss } from '../../../src/cli/submit/scan-json.ts';

function problemOf(text: string): string {
  const parsed = parseLine(text);
  return parsed.ok ? 'no problem' : parsed.problem;
}

describe('parseLine', () => {
  it('takes a whole line as it is written', () => {
    const transaction = {
      requestId: 'order-1',
      timeoutMs: 5_000,
      labels: { customer: '7' },
      participants: { inventory: { sku: 'A1', take: 2 }, payment: null },
    };
    expect(parseLine(JSON.stringify(transaction))).toEqual({ ok: true, transaction });
  });

  it.each([
    ['nonsense', 'not JSON'],
    ['{"participants":{"a":1}', 'not JSON'],
    ['{"participants":{"a":1}} {}', 'not JSON'],
    ['{"participants":{"a":"\u0000"}}', 'NUL'],
    ['[1]', 'an array'],
    ['null', 'null'],
    ['"text"', 'a string'],
    ['{}', 'line.participants is missing'],
    ['{"participants":{}}', 'no participants'],
    ['{"participants":[1]}', 'line.participants must be a map'],
    ['{"participants":{"":1}}', 'the key ""'],
    ['{"participants":{"a":1},"participant":{},"x":1}', 'no field "participant", "x"'],
    ['{"participants":{"a":1},"__proto__":{}}', 'no field "__proto__"'],
    ['{"participants":{"__proto__":1}}', '__proto__'],
    ['{"participants":{"a":{"__proto__":1}}}', '__proto__'],
    ['{"participants":{"a":1},"requestId":7}', 'line.requestId must be'],
    ['{"participants":{"a":1},"requestId":""}', 'line.requestId must be'],
    [`{"participants":{"a":1},"requestId":"${'ä'.repeat(65)}"}`, 'line.requestId must be'],
    ['{"participants":{"a":1},"timeoutMs":0}', 'line.timeoutMs must be'],
    ['{"participants":{"a":1},"timeoutMs":1.5}', 'line.timeoutMs must be'],
    ['{"participants":{"a":1},"labels":{"x":1}}', 'line.labels'],
    ['{"participants":{"a":1,"a":2}}', 'The key "a" stands twice'],
    ['{"participants":{"a":1,"\\u0061":2}}', 'The key "a" stands twice'],
    [
      '{"participants":{"a":1},"requestId":"x","requestId":"y"}',
      'The key "requestId" stands twice',
    ],
    ['{"participants":{"a":[{"k":1},{"k":1,"k":2}]}}', 'The key "k" stands twice'],
    ['{"participants":{"a":9007199254740993}}', 'does not fit a JSON number'],
    ['{"participants":{"a":-9007199254740993}}', 'does not fit a JSON number'],
    ['{"participants":{"a":1e999}}', 'does not fit a JSON number'],
    ['{"participants":{"a":"\\ud800"}}', 'surrogate'],
    [`{"participants":{"a":${'['.repeat(400)}${']'.repeat(400)}}}`, 'nested too deep'],
  ])('refuses %s', (text, problem) => {
    expect(problemOf(text)).toContain(problem);
  });

  it.each([
    '{"participants":{"a":9007199254740992}}',
    '{"participants":{"a":40327844107830490}}',
    '{"participants":{"a":0.12345678901234567890}}',
    '{"participants":{"a":{"k":1},"b":{"k":1}}}',
    '{"participants":{"a":["k","k",{"k":"k"}]}}',
    ' {"participants":{"a":"\\"a\\":1,\\"a\\":2"}}\t',
  ])('takes %s', (text) => {
    expect(parseLine(text)).toMatchObject({ ok: true });
  });

  it('names the requestId of a bad line, and quotes none of its payload', () => {
    expect(parseLine('{"requestId":"order-7","participants":{}}')).toMatchObject({
      ok: false,
      requestId: 'order-7',
    });
    expect(problemOf('{"card":"4111 1111",')).not.toContain('4111');
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((text) => `{"participants":${text}}`),
        ),
        (text) => {
          const parsed = parseLine(text);
          expect(typeof parsed.ok).toBe('boolean');
        },
      ),
    );
  });
});

describe('findLoss', () => {
  it('has nothing to say about what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 2 }), (each, indent) => {
        expect(findLoss(JSON.stringify(each, null, indent))).toBeNull();
      }),
    );
  });

  it('finds a doubled key at any depth', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('[', '{"k":'), { maxLength: 20 }),
        fc.string(),
        (opened, key) => {
          const closed = [...opened].reverse().map((open) => (open === '[' ? ']' : '}'));
          const name = JSON.stringify(key);
          const text = `${opened.join('')}{${name}:1,"other key":{},${name}:2}${closed.join('')}`;
          expect(findLoss(text)).toBe(
            key === 'other key' ? findLoss(text) : `The key ${name} stands twice in one object.`,
          );
        },
      ),
    );
  });
});
