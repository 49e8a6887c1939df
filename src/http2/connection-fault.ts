/** What ends a connection: the client has broken the protocol, or asks for too much. Its code goes with the goodbye. */
export class ConnectionFault extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`HTTP/2 error ${code}`);
    this.code = code;
  }
}
