/**
 * A Pannier client in a page: three services from the protos, each method as a promise, the watch as a stream.
 */
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const protoDirectory = fileURLToPath(new URL('../../proto', import.meta.url));
const files = ['pannier/v1/rate_limit.proto', 'pannier/v1/session.proto', 'pannier/v1/cache.proto'];
const definition = protoLoader.loadSync(files, {
  includeDirs: [protoDirectory],
  longs: Number,
  enums: String,
  defaults: true,
});
const { pannier } = grpc.loadPackageDefinition(definition);

/** Every unary call ends within this, whatever the state of Redis. */
const DEADLINE_MS = 500;

export function connect(address = process.env.PANNIER_ADDRESS ?? '127.0.0.1:9470') {
  const credentials = grpc.credentials.createInsecure();
  return {
    limits: promised(new pannier.v1.RateLimitService(address, credentials)),
    sessions: promised(new pannier.v1.SessionService(address, credentials)),
    cache: promised(new pannier.v1.CacheService(address, credentials)),
  };
}

function promised(client) {
  return new Proxy(client, {
    get: (target, method) => (request) => {
      if (target[method].responseStream) {
        return target[method](request);
      }
      return new Promise((resolve, reject) => {
        const deadline = Date.now() + DEADLINE_MS;
        target[method](request, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
      });
    },
  });
}
