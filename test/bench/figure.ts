/** One line of figures, with what it should be where that is known. */
import type { Table, Target } from './suite/section.ts';

export interface Figure {
  readonly what: string;
  readonly value: string;
  readonly aim: string;
  /** Null where there is no aim to meet. */
  readonly met: boolean | null;
}

export const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

export function figure(
  what: string,
  value: string,
  more: { readonly aim?: string; readonly met?: boolean } = {},
): Figure {
  return { what, value, aim: more.aim ?? '', met: more.met ?? null };
}

export function tableOfFigures(title: string, figures: readonly Figure[]): Table {
  return {
    title,
    columns: ['what', 'measured', 'aim'],
    rows: figures.map(({ what, value, aim }) => [what, value, aim === '' ? null : aim]),
  };
}

export function targetsOfFigures(figures: readonly Figure[]): readonly Target[] {
  return figures.flatMap(({ what, value, aim, met }) =>
    met === null ? [] : [{ what, aim, measured: value, met }],
  );
}
