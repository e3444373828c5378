/**
 * The transport on @grpc/grpc-js passes the contract of transports.
 */
import { startGrpcJsTransport } from '../../src/grpc/grpc-js/grpc-js-transport.ts';
import { describeTransport } from '../support/grpc/transport-contract.ts';

describeTransport('grpc-js', startGrpcJsTransport);
