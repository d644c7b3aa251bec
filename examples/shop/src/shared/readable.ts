/** Reads of a database that may be away: 503, and the caller comes again. */
import { ServiceUnavailableException } from '@nestjs/common';

export async function readable<Rows>(what: string, query: PromiseLike<Rows>): Promise<Rows> {
  try {
    return await query;
  } catch (cause) {
    throw new ServiceUnavailableException(`${what} cannot be read now. Try again.`, { cause });
  }
}
