/**
 * A schema by the Standard Schema interface (standardschema.dev, version 1), which zod, valibot,
 * arktype and others implement. `Input` is what it takes, `Output` what it makes of it.
 */
export interface StandardSchema<Output, Input = Output> {
  /** What the schema's library puts there. */
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What validating a value gives: what the schema made of it, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  /** What is wrong, in the words of the schema's library. */
  readonly message: string;
  /** Where in the value; absent: the whole of it. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
