/**
 * A small Pannier client. The client reads the three services from the protos, returns promises, and checks requests.
 */
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { checkRequest } from './request-check.js';

const protoDirectory = fileURLToPath(new URL('../../proto', import.meta.url));
const files = ['pannier/v1/rate_limit.proto', 'pannier/v1/session.proto', 'pannier/v1/cache.proto'];
const definition = protoLoader.loadSync(files, {
  includeDirs: [protoDirectory],
  longs: Number,
  enums: String,
  defaults: true,
});
const { pannier } = grpc.loadPackageDefinition(definition);

/** Deadline of every unary call, in ms. The call ends by its deadline even if Redis does not answer. */
const DEADLINE_MS = 500;
/** Maximum time to wait for the sidecar at start, in ms. */
const CONNECT_TIMEOUT_MS = 30_000;

/**
 * Waits until the client is connected, so that the time for connecting does not count towards the deadline of the first
 * call.
 */
export async function connect(address = process.env.PANNIER_ADDRESS ?? '127.0.0.1:9470') {
  const credentials = grpc.credentials.createInsecure();
  // The three stubs share one connection, because they have the same address.
  const limits = new pannier.v1.RateLimitService(address, credentials);
  await ready(limits);
  return {
    limits: checked(limits),
    sessions: checked(new pannier.v1.SessionService(address, credentials)),
    cache: checked(new pannier.v1.CacheService(address, credentials)),
  };
}

function ready(stub) {
  return new Promise((resolve, reject) => {
    stub.waitForReady(Date.now() + CONNECT_TIMEOUT_MS, (error) => (error ? reject(error) : resolve()));
  });
}

/** Returns the methods of a stub. A method returns a promise or a stream, and throws a TypeError for an invalid request. */
function checked(stub) {
  const entries = Object.entries(stub.constructor.service).map(([name, method]) => [
    name,
    (request = {}) => {
      checkRequest(definition, method, request);
      return method.responseStream ? stub[name](request) : answerOf(stub, name, request);
    },
  ]);
  return Object.fromEntries(entries);
}

function answerOf(stub, name, request) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + DEADLINE_MS;
    stub[name](request, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
  });
}
