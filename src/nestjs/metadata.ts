/** What decorators keep on classes and functions: the part of `reflect-metadata` used here. */
interface MetadataApi {
  defineMetadata(key: unknown, value: unknown, target: object): void;
  getMetadata(key: unknown, target: object): unknown;
  getOwnMetadataKeys(target: object): unknown[];
}

/** Nest loads it, and so does whatever imports Nest. */
export const metadata: MetadataApi = Reflect as unknown as MetadataApi;

/** What other decorators have written on a function, written on the one that takes its place. */
export function copyMetadata(from: object, to: object): void {
  for (const key of metadata.getOwnMetadataKeys(from)) {
    metadata.defineMetadata(key, metadata.getMetadata(key, from), to);
  }
}
