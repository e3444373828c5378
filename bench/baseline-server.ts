/**
 * Baseline of the benchmarks: a @grpc/grpc-js server whose only method returns an empty message and ignores the request. A sidecar that uses this
 * library cannot use less CPU than this server. The server prints its port.
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
