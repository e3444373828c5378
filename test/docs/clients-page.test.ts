/**
 * Tests the statements in docs/clients.md that a run of the programs on this page does not test. `make clients` runs
 * the programs.
 */
import { readRepositoryFile } from '../support/repository.ts';
import { readFences } from './executable-page.ts';

const page = readRepositoryFile('docs/clients.md');

/** Patterns of code that sets a deadline of 10 seconds, by the language of the code fence. */
const DEADLINES: Readonly<Record<string, RegExp>> = {
  go: /context\.WithTimeout\(context\.Background\(\), 10\*time\.Second\)/,
  java: /withDeadlineAfter\(10, TimeUnit\.SECONDS\)/,
  python: /timeout=10\)/,
  js: /timeoutMs: 10_000|Date\.now\(\) \+ 10_000/,
  rust: /timeout\(Duration::from_secs\(10\)\)|fn main\(\) -> std::io::Result/,
  csharp: /DateTime\.UtcNow\.AddSeconds\(10\)/,
  php: /'timeout' => 10_000_000/,
  ruby: /timeout: 10\)/,
};

const programs = readFences(page).filter(({ language }) => language in DEADLINES);

test('the page has a program in each language', () => {
  expect(new Set(programs.map(({ language }) => language))).toEqual(new Set(Object.keys(DEADLINES)));
});

test.each(programs.map(({ language, text }) => [language, text] as const))(
  'the %s program gives the first call a deadline of 10 seconds, because the call also connects',
  (language, text) => {
    expect(text).toMatch(DEADLINES[language] as RegExp);
  },
);

test('both pages with advice on deadlines mention the first call', () => {
  expect(page).toMatch(/first call also has to connect, so it needs a longer deadline/);
  expect(readRepositoryFile('docs/reference/grpc.md')).toMatch(/waitForReady/);
});

test('the examples wait for the connection before the first call', () => {
  expect(readRepositoryFile('examples/node/pannier.js')).toMatch(/await ready\(limits\)/);
  expect(readRepositoryFile('examples/python/app.py')).toMatch(/client\.wait_until_ready\(\)/);
});

test('the page explains the options of proto-loader that its program uses', () => {
  const used = /loadSync\(files, \{ includeDirs: \['proto'\], (.*) \}\)/.exec(page)?.[1]?.split(', ') ?? [];
  expect(used).toEqual(['longs: Number', 'enums: String', 'defaults: true']);
  const rows = [...page.matchAll(/^\| `(\w+: \w+)` \| /gm)].map(([, option]) => option);
  expect(rows).toEqual([...used, 'keepCase: true']);
});
