/**
 * What is asked of two etcds alike, drawn at random: all that the decision log asks of its one,
 * over few keys, so that requests meet each other. Revisions are said as "so many back", for the
 * two count from different starts.
 */
import fc from 'fast-check';

const maxKeys = 6;
/** Long enough that none runs out by itself. */
const leaseTtlS = 600;

/** One key, or those from it up to another, which is not among them. */
export interface SpanDraft {
  readonly from: number;
  readonly to: number | null;
}

export interface CompareDraft {
  readonly target: 'Create' | 'Mod' | 'Value';
  readonly result: 'Equal' | 'Less';
  readonly at: SpanDraft;
  /** For revisions; null is 0, of what is not there. */
  readonly back: number | null;
  readonly value: string;
}

export type OpDraft =
  | { readonly op: 'put'; readonly key: number; readonly value: string; readonly lease: number }
  | { readonly op: 'get'; readonly at: SpanDraft; readonly limit: number }
  | { readonly op: 'count'; readonly at: SpanDraft }
  | { readonly op: 'remove'; readonly at: SpanDraft }
  | { readonly op: 'txn'; readonly txn: TxnDraft };

export interface TxnDraft {
  readonly compare: readonly CompareDraft[];
  readonly success: readonly OpDraft[];
  readonly failure: readonly OpDraft[];
}

export type Step =
  | { readonly do: 'txn'; readonly txn: TxnDraft }
  | { readonly do: 'grant'; readonly ttlS: number }
  | { readonly do: 'revoke' | 'beat' | 'left'; readonly lease: number }
  | { readonly do: 'watch'; readonly spans: readonly SpanDraft[] }
  | { readonly do: 'wait'; readonly ms: number }
  /** A copy of its data is made; later, etcd is brought back from it. */
  | { readonly do: 'copy' | 'set-back' };

const key = fc.integer({ min: 1, max: maxKeys });
const span: fc.Arbitrary<SpanDraft> = fc.oneof(
  { weight: 2, arbitrary: key.map((from) => ({ from, to: null })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(key, fc.integer({ min: 1, max: maxKeys }))
      .map(([from, length]) => ({ from, to: Math.min(from + length, maxKeys + 1) })),
  },
);
/** Bytes, as latin-1. */
const value = fc.constantFrom('', 'a', 'aa', 'b', '\u0000', '\u007f', '\u0080', '\u00ff');
/** 0: none; the others may be there, be over, or never have been granted. */
const leaseOfPut = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }) },
);
const lease = fc.integer({ min: 1, max: 4 });

const compare: fc.Arbitrary<CompareDraft> = fc.record({
  target: fc.constantFrom('Create', 'Create', 'Mod', 'Value'),
  result: fc.constantFrom('Equal', 'Equal', 'Less'),
  at: span,
  back: fc.option(fc.integer({ min: -1, max: 8 }), { freq: 2 }),
  value,
});

function operation(depth: number): fc.Arbitrary<OpDraft> {
  return fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ op: fc.constant('put' as const), key, value, lease: leaseOfPut }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant('get' as const),
        at: span,
        limit: fc.integer({ min: 0, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('count' as const), at: span }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), at: span }) },
    ...(depth === 0
      ? []
      : [
          {
            weight: 4,
            arbitrary: fc.record({ op: fc.constant('txn' as const), txn: txn(depth - 1) }),
          },
        ]),
  );
}

function txn(depth: number): fc.Arbitrary<TxnDraft> {
  return fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(operation(depth), { maxLength: 4 }),
    failure: fc.array(operation(depth), { maxLength: 2 }),
  });
}

export const txnStep: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('txn' as const),
  txn: txn(2),
});

/** A transaction without a condition. */
export function doing(...success: readonly OpDraft[]): Step {
  return { do: 'txn', txn: { compare: [], success, failure: [] } };
}

export const grantStep: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('grant' as const),
  ttlS: fc.constant(leaseTtlS),
});

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: txnStep },
  { weight: 2, arbitrary: grantStep },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('revoke' as const, 'beat' as const, 'left' as const),
      lease,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('watch' as const),
      spans: fc.array(span, { minLength: 1, maxLength: 3 }),
    }),
  },
);
