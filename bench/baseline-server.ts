/**
 * The baseline: a @grpc/grpc-js server whose only method hands back an empty message without looking at the request.
 * What a sidecar on this library can never be cheaper than. Prints its port.
 */
import grpc from '@grpc/grpc-js';

const EMPTY = Buffer.alloc(0);
const server = new grpc.Server();

server.addService(
  {
    empty: {
      path: '/bench.Baseline/Empty',
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: Buffer) => value,
      requestDeserialize: (value: Buffer) => value,
      responseSerialize: (value: Buffer) => value,
      responseDeserialize: (value: Buffer) => value,
    },
  },
  { empty: (_call: unknown, callback: (error: null, value: Buffer) => void) => callback(null, EMPTY) },
);
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) {
    throw error;
  }
  process.stdout.write(`${port}\n`);
});
