/**
 * Runs the transport contract on the transport based on @grpc/grpc-js.
 */
import { startGrpcJsTransport } from '../../src/grpc/grpc-js/grpc-js-transport.ts';
import { describeTransport } from '../support/grpc/transport-contract.ts';

describeTransport('grpc-js', startGrpcJsTransport);
