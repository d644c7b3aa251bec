/** A participant's "no" that callers may read. What is thrown in its code is not for them. */
import type { AbortReason } from 'verdict/client';
import { type AbortVote, vote } from 'verdict/participant';

export function refusal(text: string): AbortVote {
  return vote.abort(text, { detail: { forCallers: text } });
}

export function refusalIn({ detail }: AbortReason): string | undefined {
  const { forCallers } = (detail ?? {}) as { readonly forCallers?: string };
  return forCallers;
}
