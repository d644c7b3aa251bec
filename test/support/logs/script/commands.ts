/**
 * What nodes do to a decision log, drawn at random: over few transactions and request ids, so that
 * they meet each other.
 */
import fc from 'fast-check';

/** Of each leadership; its transactions are named by its number and theirs. */
export const maxSequence = 8;

export const requestIds = ['a', 'b', 'ü "/'] as const;

export interface WriteDraft {
  readonly sequence: number;
  readonly request: string | null;
  readonly finished: boolean;
}

/**
 * Whether the leadership that stands does it, or the one before, which may not know that it is
 * over.
 */
type By = 'now' | 'before';

export type Command =
  | { readonly do: 'decide'; readonly by: By; readonly writes: readonly WriteDraft[] }
  | { readonly do: 'decide-other-epoch'; readonly sequence: number }
  | {
      readonly do: 'finish';
      readonly by: By;
      readonly back: number;
      readonly sequences: readonly number[];
    }
  /** `left`: how many branches it still names; null: all. */
  | {
      readonly do: 'settle';
      readonly by: By;
      readonly back: number;
      readonly sequence: number;
      readonly left: number | null;
    }
  | { readonly do: 'tick'; readonly by: By }
  | {
      readonly do: 'collect';
      readonly by: By;
      readonly below: number;
      readonly retentionMs: number;
      readonly retentionMsMin: number;
      readonly maxRecords: number;
      readonly kept: string | null;
      readonly limit: number;
    }
  | { readonly do: 'request'; readonly by: By; readonly request: string }
  | {
      readonly do: 'pending';
      readonly by: By;
      readonly after: number | null;
      readonly limit: number;
    }
  /** `back`: so many leaderships ago; below 0, one that has not been. */
  | { readonly do: 'read' | 'resolve'; readonly back: number; readonly sequence: number }
  | { readonly do: 'retire'; readonly instance: string }
  | { readonly do: 'retired' }
  | { readonly do: 'bind' | 'rebind'; readonly instance: string; readonly identity: string }
  /**
   * The leadership is given up and taken again, is taken by another, or its process starts again.
   */
  | { readonly do: 'resign' | 'usurp' | 'restart' };

const sequence = fc.integer({ min: 1, max: maxSequence });
const requestId = fc.constantFrom(...requestIds);
const request = fc.option(requestId, { nil: null });
const by = fc.constantFrom<By>('now', 'now', 'now', 'now', 'before');
const back = fc.constantFrom(0, 0, 0, 1, 2, -1);
/**
 * Never nothing: a leadership that has not heard of its end may answer that without a word with its
 * log, or may not.
 */
const some = { minLength: 1, maxLength: 4 };
const write: fc.Arbitrary<WriteDraft> = fc.record({ sequence, request, finished: fc.boolean() });

export const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('decide' as const),
      by,
      writes: fc.array(write, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('decide-other-epoch' as const), sequence }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('finish' as const),
      by,
      back,
      sequences: fc.array(sequence, some),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      by,
      back,
      sequence,
      left: fc.constantFrom(null, 0, 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const), by }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('collect' as const),
      by,
      below: fc.integer({ min: 1, max: maxSequence + 1 }),
      retentionMs: fc.integer({ min: 0, max: 2 }),
      retentionMsMin: fc.integer({ min: 0, max: 1 }),
      maxRecords: fc.integer({ min: 0, max: 4 }),
      kept: request,
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('request' as const), by, request: requestId }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pending' as const),
      by,
      after: fc.option(sequence, { nil: null }),
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('read' as const, 'resolve' as const),
      back,
      sequence,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('retire' as const),
      instance: fc.constantFrom('i-1', 'i-2', '/'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retired' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('bind' as const, 'bind' as const, 'rebind' as const),
      instance: fc.constantFrom('i-1', '/'),
      identity: fc.constantFrom('one', 'other'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'resign' as const,
        'usurp' as const,
        'usurp' as const,
        'restart' as const,
      ),
    }),
  },
);
