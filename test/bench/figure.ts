/** One line of the figures. */
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
