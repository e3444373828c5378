/**
 * Runs the transport contract on the built-in HTTP/2 server.
 */
import { startHttp2Transport } from '../../src/grpc/http2/http2-transport.ts';
import { describeTransport } from '../support/grpc/transport-contract.ts';

describeTransport('http2', startHttp2Transport);
