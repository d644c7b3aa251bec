/** `verdict`: both SDKs, `verdict/client` and `verdict/participant`. */
export * from './client.ts';
export * from './participant.ts';
