/** Chance. Nothing in the coordinator or the SDKs takes it from anywhere else. */
export interface Random {
  /** In [0, 1): jitter and choices. */
  fraction(): number;
  /** Unguessable text of `length` base-36 digits (0-9, a-z): ids and nonces. */
  token(length: number): string;
}
