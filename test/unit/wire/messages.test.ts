import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../../src/wire/codec.ts';
import type { Fields } from '../../../src/wire/validators.ts';
import { encodeFrame } from '../../support/network/encode-frame.ts';
import { fromNodeSamples, sampleTxid, toNodeSamples } from '../../support/samples/samples.ts';
import { catalogue, decode, forms, frameOf, trip } from '../../support/samples/wire.ts';

/** Paths of fields that exist in a sample, nested maps and the first map of a list included. */
function paths(
  fields: Fields,
  value: Record<string, unknown>,
  at: readonly (string | number)[] = [],
): Path[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = [...at, name];
    const { optional, lenient = false, rule } = field;
    const own: Path = { path, optional, lenient, text: rule.text };
    const inner = value[name];
    if (field.rule.fields === undefined || inner === null || inner === undefined) return [own];
    return Array.isArray(inner)
      ? [own, ...paths(field.rule.fields, inner[0], [...path, 0])]
      : [own, ...paths(field.rule.fields, inner as Record<string, unknown>, path)];
  });
}

interface Path {
  readonly path: readonly (string | number)[];
  readonly optional: boolean;
  readonly lenient: boolean;
  readonly text: string;
}

function written(type: string, path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, step) => text + (typeof step === 'number' ? `[${step}]` : `.${step}`),
    type,
  );
}

/** The rules that allow a value which is wrong for nearly all fields. */
function rightByChance(value: unknown): RegExp {
  if (value === null) return /, or null$/;
  if (value === 1.5) return /^a number from/;
  return typeof value === 'string' ? /^a string of at most/ : /^a map of at most/;
}

/** A copy of `message` in which the field is `replacement`, or is not there. */
function altered(
  message: unknown,
  path: readonly (string | number)[],
  replacement?: unknown,
): Record<string, unknown> {
  const copy = structuredClone(message) as Record<string, unknown>;
  let parent = copy;
  for (const step of path.slice(0, -1)) parent = parent[step] as Record<string, unknown>;
  const last = path.at(-1) as string;
  if (replacement === undefined) delete parent[last];
  else parent[last] = replacement;
  return copy;
}

const everywhere = forms.flatMap((form) => catalogue.map((entry) => ({ form, ...entry })));

describe('every message type', () => {
  it.each(everywhere)(
    '$direction $type comes back from the $form form',
    ({ form, direction, sample }) => {
      expect(trip(sample, form, direction)).toStrictEqual(sample);
    },
  );

  it.each(everywhere)(
    '$direction $type loses unknown fields in the $form form',
    ({ form, direction, fields, sample }) => {
      const maps = paths(fields, sample as never)
        .filter(({ path }) => typeof path.at(-2) === 'number' || path.length > 1)
        .map(({ path }) => path.slice(0, -1));
      let extended = altered(sample, ['unknownField'], { of: 'a later version' });
      for (const path of maps) extended = altered(extended, [...path, 'unknownField'], 17);
      const [decoded] = decode(frameOf(form, extended), direction);
      expect(decoded).toStrictEqual({ ok: true, message: sample });
    },
  );

  it.each(everywhere)(
    '$direction $type misses each field as declared in the $form form',
    ({ form, direction, type, fields, sample }) => {
      for (const { path, optional, text } of paths(fields, sample as never)) {
        const without = altered(sample, path);
        const [decoded] = decode(frameOf(form, without), direction);
        if (optional) {
          expect(decoded).toStrictEqual({ ok: true, message: without });
        } else {
          expect(decoded).toMatchObject({
            ok: false,
            problem: {
              code: 'INVALID_MESSAGE',
              message: `${written(type, path)} is missing; it must be ${text}`,
            },
          });
        }
      }
    },
  );

  it.each(everywhere)(
    '$direction $type names each field of a wrong type in the $form form',
    ({ form, direction, type, fields, sample }) => {
      for (const { path, text, lenient } of paths(fields, sample as never)) {
        if (text === 'any value') continue;
        for (const wrong of [{ type: 'no' }, ['x', 1], -1, 1.5, '\u0000', null]) {
          const [decoded] = decode(frameOf(form, altered(sample, path, wrong)), direction);
          if (decoded?.ok === true && lenient) {
            expect(decoded.message).toStrictEqual(altered(sample, path));
            continue;
          }
          if (decoded?.ok === true) {
            expect(text, JSON.stringify(wrong)).toMatch(rightByChance(wrong));
            continue;
          }
          expect(
            decoded?.problem.message.startsWith(written(type, path)),
            decoded?.problem.message,
          ).toBe(true);
        }
      }
    },
  );

  it('has a description and a rule for every field', () => {
    const all = (fields: Fields): string[] =>
      Object.values(fields).flatMap((field) => [
        field.about,
        ...(field.rule.fields ? all(field.rule.fields) : []),
      ]);
    for (const { fields } of catalogue) {
      for (const about of all(fields))
        expect(about).toMatch(/^[A-Z`W].*\.$|^The version spoken: 1\.$/);
    }
  });
});

describe('errors of one message', () => {
  const bad = {
    type: 'transact',
    id: 41,
    branches: [{ participant: 'a' }, { participant: 'b' }, { participant: '' }],
  };

  it.each(forms)('names the field, and carries the id, in the %s form', (form) => {
    expect(decode(frameOf(form, bad), 'to-node')).toStrictEqual([
      {
        ok: false,
        problem: {
          code: 'INVALID_MESSAGE',
          id: 41,
          message:
            'transact.branches[2].participant must be a name of 1 to 128 bytes without control or invisible characters, and not `__proto__`',
        },
      },
    ]);
  });

  it.each(forms)('does not touch the others of a frame in the %s form', (form) => {
    const good = toNodeSamples.begin;
    const decoded = decode(frameOf(form, good, bad, { type: 'nonsense', id: 42 }, good), 'to-node');
    expect(decoded.map(({ ok }) => ok)).toEqual([true, false, false, true]);
    expect(decoded[3]).toStrictEqual({ ok: true, message: good });
    expect(decoded[2]).toMatchObject({
      problem: { id: 42, message: 'There is no message of type "nonsense".' },
    });
  });

  it.each([-1, 1.5, '7', null, 2 ** 53, true, {}])('does not repeat the invalid id %s', (id) => {
    const [decoded] = decode(
      frameOf('binary', { type: 'commit', id, txid: sampleTxid }),
      'to-node',
    );
    expect(decoded).toMatchObject({ ok: false });
    expect(decoded?.ok === false && Object.hasOwn(decoded.problem, 'id')).toBe(false);
  });

  it('takes no bytes for a map', () => {
    for (const message of [
      { ...toNodeSamples.begin, labels: new Uint8Array() },
      { ...toNodeSamples.query, witness: new Uint8Array() },
    ]) {
      expect(decode(frameOf('binary', message), 'to-node')).toMatchObject([
        {
          ok: false,
          problem: { message: expect.stringMatching(/(labels|witness) must be a map/) },
        },
      ]);
    }
  });

  it('says when a message goes the wrong way', () => {
    const [decoded] = decode(encodeMessage(fromNodeSamples.welcome, 'binary'), 'to-node');
    expect(decoded).toMatchObject({
      problem: { message: 'A message of type "welcome" is sent by a node, never to one.' },
    });
    const [back] = decode(encodeMessage(toNodeSamples.hello, 'binary'), 'from-node');
    expect(back).toMatchObject({
      problem: { message: 'A message of type "hello" is sent to a node, never by one.' },
    });
  });

  it.each([undefined, null, 7, ['hello']])('refuses a message whose type is %s', (type) => {
    expect(
      decode(frameOf('binary', { ...(type === undefined ? {} : { type }), id: 3 }), 'to-node'),
    ).toMatchObject([{ ok: false, problem: { code: 'INVALID_MESSAGE', id: 3 } }]);
  });

  it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])(
    'knows no type %s',
    (type) => {
      expect(decode(frameOf('text', { type }), 'to-node')).toMatchObject([{ ok: false }]);
    },
  );

  it('cuts and quotes what it repeats, so that the error itself can be sent', () => {
    for (const value of [
      { type: `x${'\u{1f600}'.repeat(5_000)}` },
      { ...toNodeSamples.begin, labels: { [`y${'\u{1f600}'.repeat(5_000)}`]: 'z' } },
    ]) {
      const [decoded] = decode(frameOf('binary', value), 'to-node');
      if (decoded?.ok !== false) throw new Error('not refused');
      const error = { type: 'error', retryable: false, ...decoded.problem } as const;
      expect(trip(error, 'binary', 'from-node')).toEqual(error);
    }
  });
});

describe('a hello of another version', () => {
  it('is decoded where its fields are the same', () => {
    const hello = { ...toNodeSamples.hello, protocol: 2 };
    expect(trip(hello, 'binary', 'to-node')).toStrictEqual(hello);
  });

  it('is told so where they are not', () => {
    expect(
      decode(frameOf('binary', { type: 'hello', protocol: 2, who: 'x' }), 'to-node'),
    ).toMatchObject([{ ok: false, problem: { code: 'UNSUPPORTED_VERSION' } }]);
    expect(
      decode(frameOf('binary', { type: 'commit', protocol: 2, id: 1 }), 'to-node'),
    ).toMatchObject([{ ok: false, problem: { code: 'INVALID_MESSAGE' } }]);
    expect(
      decode(frameOf('binary', { type: 'hello', protocol: 1, who: 'x' }), 'to-node'),
    ).toMatchObject([{ ok: false, problem: { code: 'INVALID_MESSAGE' } }]);
  });
});

describe('frames', () => {
  it.each(forms)('carry several messages in order in the %s form', (form) => {
    const messages = Object.values(toNodeSamples);
    expect(decode(encodeFrame(messages, form), 'to-node')).toStrictEqual(
      messages.map((message) => ({ ok: true, message })),
    );
  });

  it('may be concatenated from encoded messages', () => {
    const { begin, vote } = toNodeSamples;
    const expected = [begin, vote].map((message) => ({ ok: true, message }));
    const parts = [encodeMessage(begin, 'binary'), encodeMessage(vote, 'binary')];
    expect(decode(Buffer.concat(parts), 'to-node')).toStrictEqual(expected);
    expect(
      decode(encodeMessage(begin, 'text') + encodeMessage(vote, 'text'), 'to-node'),
    ).toStrictEqual(expected);
  });

  it('may be empty, and may hold empty lines', () => {
    const line = JSON.stringify(toNodeSamples.begin);
    expect(decode(new Uint8Array(), 'to-node')).toEqual([]);
    expect(decode('', 'to-node')).toEqual([]);
    expect(decode(`\r\n\n  ${line}\r\n\n`, 'to-node')).toHaveLength(1);
    expect(encodeFrame([], 'binary')).toHaveLength(0);
  });

  it('leave nothing behind that refers to the buffer they came in', () => {
    const buffer = Buffer.from(
      encodeMessage(
        {
          type: 'enlist',
          id: 1,
          txid: sampleTxid,
          participant: 'p',
          payload: { bytes: new Uint8Array([1, 2, 3]), text: 'x'.repeat(300) },
        },
        'binary',
      ),
    );
    const decoded = decode(buffer, 'to-node');
    buffer.fill(0xff);
    expect(decoded).toMatchObject([
      { message: { participant: 'p', txid: sampleTxid, payload: { text: 'x'.repeat(300) } } },
    ]);
    const [first] = decoded;
    const payload =
      first?.ok === true && first.message.type === 'enlist' ? first.message.payload : null;
    expect([...(payload as { bytes: Uint8Array }).bytes]).toEqual([1, 2, 3]);
  });
});

it('a small message after a large one holds no more than a small buffer', () => {
  const large = { ...toNodeSamples.enlist, payload: 'x'.repeat(1_000_000) };
  expect(encodeMessage(large, 'binary').byteLength).toBeGreaterThan(1_000_000);
  const small = encodeMessage(fromNodeSamples.begun, 'binary');
  expect(small.buffer.byteLength).toBeLessThanOrEqual(8_192);
});
