/**
 * Compares the outcome of the same requests on both transports. An outcome consists of the status code, the status
 * message, the headers, the handler calls, the state of the connection, and the state of the other calls on that
 * connection. The table "Differences between the transports" in docs/reference/grpc.md lists all differences.
 *
 *   1. A request without a row in the table has the same outcome on both transports.
 *   2. A request with a row has the two outcomes that the row states. If the outcomes do not differ, the test fails.
 *   3. The tests cover every row of the table.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { startGrpcJsTransport } from '../../src/grpc/grpc-js/grpc-js-transport.ts';
import { startHttp2Transport } from '../../src/grpc/http2/http2-transport.ts';
import { ODD_REQUESTS } from '../support/grpc/odd-requests.ts';
import { connectHttp2, http2Call } from '../support/grpc/raw-client.ts';
import { playRaw } from '../support/grpc/raw-outcome.ts';
import { methodPath } from '../support/grpc/test-methods.ts';
import { openFixture, type TransportFixture } from '../support/grpc/transport-contract.ts';
import { repositoryRoot } from '../support/repository.ts';

const HEADERS_ROW = 'headers of every response';
const BINARY_ROW = 'binary metadata of responses';

/** Requests that demonstrate each row of the table, by the text in the first column. */
const ROWS: Readonly<Record<string, readonly string[]>> = {
  '`:authority` that is empty or missing, is a path, or contains a user': [
    ':authority "/run/pannier/pannier.sock"',
    ':authority ""',
    ':authority "user@host"',
    'no :authority',
  ],
  'a metadata key that is sent twice': ['x-echo "first" and "second"'],
  'a metadata value with a line feed or a space at its ends': [
    'a value with a line feed',
    'a value that begins with a space',
  ],
  'more than 128 header fields': ['200 fields of metadata'],
  'the text for metadata over 16 KiB': ['metadata of 17 KiB'],
  'a header block over 64 KiB': ['metadata of 100 KiB'],
  '`content-length` below the length of the body': ['a content-length that is too small'],
  'DATA after END_STREAM': ['DATA after END_STREAM'],
  [HEADERS_ROW]: [],
  [BINARY_ROW]: [],
};

const rowOf = new Map(Object.entries(ROWS).flatMap(([row, names]) => names.map((name) => [name, row])));
const page = readTable();
const same = ODD_REQUESTS.filter(({ name }) => !rowOf.has(name));
const different = ODD_REQUESTS.filter(({ name }) => rowOf.has(name));

let http2: TransportFixture;
let grpcJs: TransportFixture;

beforeAll(async () => {
  http2 = await openFixture(startHttp2Transport);
  grpcJs = await openFixture(startGrpcJsTransport);
});

afterAll(async () => {
  await http2?.close();
  await grpcJs?.close();
});

test('tests exactly the rows of the page', () => {
  expect([...page.keys()]).toEqual(Object.keys(ROWS));
  expect(
    ODD_REQUESTS.filter(({ name }, index) => ODD_REQUESTS.findIndex((each) => each.name === name) < index),
  ).toEqual([]);
  expect(different).toHaveLength(rowOf.size);
});

test('the page states the number of compared requests', () => {
  expect(readPage()).toContain(`A test sends ${ODD_REQUESTS.length} unusual requests`);
});

test.each(same)('both transports have the same outcome: $name', async ({ name, frames }) => {
  expect(await playRaw(grpcJs, name, frames)).toEqual(await playRaw(http2, name, frames));
});

test.each(different)('each transport has the outcome that the page states: $name', async ({ name, frames }) => {
  const outcomes = [await playRaw(http2, name, frames), await playRaw(grpcJs, name, frames)];
  expect(outcomes[0]).not.toEqual(outcomes[1]);
  const cells = page.get(rowOf.get(name) ?? '') ?? [];
  outcomes.forEach(({ verdict, others }, index) => {
    const cell = cells[index] ?? '';
    expect(cell).toContain(`\`${verdict}\``);
    // A GOAWAY with an error ends the connection and all calls on it. No other outcome affects the other calls.
    expect(others).toBe(cell.includes('`GOAWAY ') ? 'lost lost' : '0 0');
  });
});

test('each transport sends the headers and binary metadata that the page states', async () => {
  const [ours, theirs] = await Promise.all([http2, grpcJs].map(({ port }) => adornedHeaders(port)));
  expect(page.get(HEADERS_ROW)?.[0]).toBe(`\`content-type: ${ours?.['content-type']}\``);
  expect(page.get(HEADERS_ROW)?.[1]).toContain(`\`content-type: ${theirs?.['content-type']}\``);
  const names = [ours, theirs].map((headers) => Object.keys(headers ?? {}).sort());
  const added = (names[1] ?? []).filter((name) => !names[0]?.includes(name));
  expect(added).toEqual(['date', 'grpc-encoding', 'grpc-message']);
  expect(added.filter((name) => !page.get(HEADERS_ROW)?.[1]?.includes(`\`${name}`))).toEqual([]);
  expect([ours?.['x-trail-bin'], theirs?.['x-trail-bin']]).toEqual(['3q2+7w', '3q2+7w==']);
});

test('only http2 responds to HTTP/1.x in HTTP/1.x', async () => {
  const [ours, theirs] = await Promise.all([http2, grpcJs].map(({ port }) => answerToHttp1(port)));
  expect(ours).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(theirs).not.toContain('HTTP/1.1');
  expect(readPage()).toContain('On `http2`, a client that uses HTTP/1.x receives `400 Bad Request` and a text.');
});

async function answerToHttp1(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

async function adornedHeaders(port: number): Promise<Readonly<Record<string, unknown>>> {
  const session = connectHttp2(port);
  const end = await http2Call(session, methodPath('Adorn'), { headers: { 'x-echo-bin': '3q2+7w' } });
  session.destroy();
  return end.headers;
}

function readPage(): string {
  return readFileSync(join(repositoryRoot, 'docs', 'reference', 'grpc.md'), 'utf8');
}

/** Returns the http2 cell and the grpc-js cell of each row, by the text in the first column. */
function readTable(): Map<string, string[]> {
  const [, section = ''] = readPage().split('### Differences between the transports\n');
  const [, table = ''] = section.split('|---|---|---|\n');
  const [rows = ''] = table.split('\n\n');
  return new Map(
    rows.split('\n').map((line) => {
      const [row = '', ...cells] = line.replace(/^\| | \|$/g, '').split(' | ');
      return [row, cells];
    }),
  );
}
