/**
 * How values are kept: plain maps, no extensions of msgpackr's own: any MessagePack reader can read
 * them. A field named `toJSON` is a field (!: called as a method, it threw; one payload ended a
 * participant).
 */
export const plain = { useRecords: false, useToJSON: false } as const;
