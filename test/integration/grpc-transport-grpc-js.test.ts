/**
 * The transport on @grpc/grpc-js passes the contract of transports.
 */
import { startGrpcJsTransport } from '../../src/grpc/transports/grpc-js.ts';
import { describeTransport } from '../support/grpc-transport-contract.ts';

describeTransport('grpc-js', startGrpcJsTransport);
