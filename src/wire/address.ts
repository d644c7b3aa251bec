/** Where a node listens unless told otherwise, and what is spoken there. */
export const defaultPort = 7070;
export const webSocketPath = '/v1';
export const subprotocol = 'verdict.v1';
