/**
 * Runs the interop client of grpc-go against each transport, with every case that needs neither TLS nor a cloud
 * account. The load report cases (orca_*) are left out, because the sidecar does not serve that protocol.
 *
 * PANNIER_TEST_GRPC_INTEROP is the path of the client (google.golang.org/grpc/interop/client). A case passes if the
 * client exits with code 0 and the transport has logged no error.
 */
import {
  type InteropServer,
  programFromEnvironment,
  runProgram,
  startInteropServer,
  TRANSPORTS,
} from '../support/grpc/interop-run.ts';

const CASE_TIMEOUT_MS = 30_000;

const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'pick_first_unary',
  'rpc_soak',
  'channel_soak',
];

describe.each(TRANSPORTS)('interop with grpc-go: %s', (_name, startTransport) => {
  let server: InteropServer;

  beforeAll(async () => {
    server = await startInteropServer(startTransport);
  });

  afterAll(async () => {
    await server?.transport.close();
  });

  test.each(CASES)('%s', async (name) => {
    const end = await runCase(server, name);
    expect({ ...end, logged: server.logged }).toMatchObject({ code: 0, logged: [] });
  });
});

async function runCase(server: InteropServer, name: string) {
  const client = programFromEnvironment('PANNIER_TEST_GRPC_INTEROP', "grpc-go's interop client");
  const args = ['-server_host', '127.0.0.1', '-server_port', String(server.port), '-test_case', name];
  return await runProgram(client, args, CASE_TIMEOUT_MS);
}
