/** What callers send, checked; and the number of their order. */
import { createHash } from 'node:crypto';
import { BadRequestException } from '@nestjs/common';
import { z } from 'zod';

/** What there is to buy, in cents. */
export const prices: Readonly<Record<string, number>> = { lamp: 4_900, rug: 12_900, chair: 7_500 };

const wantedSchema = z.object({
  // As accounts are named: MariaDB would take ANNA for anna, and the transaction's locks would not.
  account: z.string().regex(/^[a-z0-9_-]{1,64}$/, 'is no name of an account'),
  sku: z.string().refine((sku) => Object.hasOwn(prices, sku), 'is nothing that the shop sells'),
  quantity: z.int().min(1).max(100),
});

export type Wanted = z.infer<typeof wantedSchema>;

export function wantedOf(body: unknown): Wanted {
  const read = wantedSchema.safeParse(body);
  if (read.success) return read.data;
  const faults = read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new BadRequestException(faults);
}

/**
 * The same key gives the same number, in whichever replica.
 *
 * For production: keys are made by callers, and two may make the same. Add who has signed in.
 */
export function orderIdOf(idempotencyKey: string | undefined): string {
  // In quotes, as the header's draft has it, or bare.
  const [, key] = /^"?([\x20-\x21\x23-\x7e]{1,255}?)"?$/.exec(idempotencyKey ?? '') ?? [];
  if (key === undefined) {
    throw new BadRequestException(
      'Send the header Idempotency-Key: 1 to 255 characters that you make once for each order, and send again with each repetition.',
    );
  }
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}
