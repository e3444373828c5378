/**
 * Our own transport passes the contract of transports.
 */
import { startHttp2Transport } from '../../src/grpc/http2/http2-transport.ts';
import { describeTransport } from '../support/grpc/transport-contract.ts';

describeTransport('http2', startHttp2Transport);
