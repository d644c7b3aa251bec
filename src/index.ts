/** `verdict`: both SDKs at once. `verdict/client` and `verdict/participant` are the same, one each. */
export * from './client.ts';
export * from './participant.ts';
