/**
 * Runs h2spec, a conformance test of HTTP/2 and HPACK, in strict mode against the built-in HTTP/2 server.
 *
 * PANNIER_TEST_H2SPEC is the path of the program. All cases run at once. The test compares the list of failed cases
 * with an empty list, so that a failure shows these cases and their output.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHttp2Transport } from '../../src/grpc/http2/http2-transport.ts';
import {
  type InteropServer,
  programFromEnvironment,
  runProgram,
  startInteropServer,
} from '../support/grpc/interop-run.ts';

/** Number of cases of h2spec 2.2.1, including the cases of strict mode. */
const CASES_TOTAL = 146;
const RUN_TIMEOUT_MS = 120_000;

let server: InteropServer;
let reportDirectory: string;

beforeAll(async () => {
  server = await startInteropServer(startHttp2Transport);
  reportDirectory = mkdtempSync(join(tmpdir(), 'pannier-h2spec-'));
});

afterAll(async () => {
  await server?.transport.close();
  rmSync(reportDirectory, { recursive: true, force: true });
});

test(
  `passes all ${CASES_TOTAL} h2spec cases of generic, http2 and hpack`,
  async () => {
    const h2spec = programFromEnvironment('PANNIER_TEST_H2SPEC', 'h2spec');
    const report = join(reportDirectory, 'report.xml');
    const args = ['-h', '127.0.0.1', '-p', String(server.port), '--strict', '-j', report, 'generic', 'http2', 'hpack'];
    const end = await runProgram(h2spec, args, RUN_TIMEOUT_MS);
    const cases = readReport(readFileSync(report, 'utf8'));
    expect(cases.filter((one) => one.complaint !== '')).toEqual([]);
    expect(cases).toHaveLength(CASES_TOTAL);
    expect(end.code).toBe(0);
    expect(server.logged).toEqual([]);
  },
  RUN_TIMEOUT_MS + 10_000,
);

interface ReportedCase {
  readonly section: string;
  readonly title: string;
  /** Output of a failed or skipped case; empty if the case passed. */
  readonly complaint: string;
}

/** Reads a JUnit report, in which a case has a body if it did not pass. */
function readReport(xml: string): ReportedCase[] {
  const pattern = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  return [...xml.matchAll(pattern)].map(([, section = '', title = '', body = '']) => ({
    section,
    title: plainText(title),
    complaint: plainText(body).replaceAll(/\s+/g, ' ').trim(),
  }));
}

function plainText(xml: string): string {
  return xml
    .replaceAll('&#34;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
