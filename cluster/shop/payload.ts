/**
 * Reading what a client sent. A payload that cannot be read is a vote `abort` that says which field
 * is wrong.
 */

export class PayloadError extends Error {
  override readonly name = 'PayloadError';
}

export class Payload {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path = 'payload') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new PayloadError(`${path} must be an object.`);
    }
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  text(name: string, maxCharacters = 200): string {
    const value = this.#fields[name];
    if (typeof value !== 'string' || value === '' || value.length > maxCharacters) {
      throw this.#wrong(name, `text of 1 to ${maxCharacters} characters`);
    }
    return value;
  }

  /** Names a record, so it has no room for surprises. */
  id(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== 'string' || !/^[\w.:-]{1,128}$/.test(value)) {
      throw this.#wrong(
        name,
        'an id: 1 to 128 letters, digits, dots, colons, dashes or underscores',
      );
    }
    return value;
  }

  whole(name: string, bounds: { readonly min: number; readonly max: number }): number {
    const value = this.#fields[name];
    const { min, max } = bounds;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw this.#wrong(name, `a whole number from ${min} to ${max}`);
    }
    return value;
  }

  /** Null where the field is absent. */
  optional<T>(name: string, read: (payload: this) => T): T | null {
    return this.#fields[name] === undefined ? null : read(this);
  }

  list(name: string, maxCount: number): readonly Payload[] {
    const value = this.#fields[name];
    if (!Array.isArray(value) || value.length === 0 || value.length > maxCount) {
      throw this.#wrong(name, `a list of 1 to ${maxCount} objects`);
    }
    return value.map((item, index) => new Payload(item, `${this.#path}.${name}[${index}]`));
  }

  #wrong(name: string, wanted: string): PayloadError {
    return new PayloadError(`${this.#path}.${name} must be ${wanted}.`);
  }
}

/** The version that a client read: 0 says that the record was not there. */
export function versionOf(payload: Payload): number | null {
  return payload.optional('version', (given) =>
    given.whole('version', { min: 0, max: Number.MAX_SAFE_INTEGER }),
  );
}
