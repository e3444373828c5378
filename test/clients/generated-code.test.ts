/**
 * Runs the commands of docs/clients.md that generate code, and builds and runs the programs of the page with that code.
 *
 * 1. PANNIER_TEST_CLIENTS names the languages to test. If the variable is unset, the test covers all languages.
 * 2. The test does not run the C# and PHP programs. For these languages, it only checks names in the generated code.
 *    The test runs the Ruby program if the gRPC packages for Ruby are installed.
 */
import { existsSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { repositoryRoot } from '../support/repository.ts';
import { startSidecar } from '../support/sidecar/sidecar.ts';
import { run } from './builds.ts';
import { generateCommandOf } from './clients-page.ts';
import {
  copyProtos,
  GENERATED_LANGUAGES,
  installPython,
  prepareTools,
  runProtoLoader,
  runRuby,
} from './generated-code.ts';
import { chosenLanguages } from './languages.ts';

const BUILD_TIMEOUT_MS = 1_800_000;
const ANSWER = /^allowed: true, remaining: 4, stored: true$/im;
const chosenNames = new Set(chosenLanguages(process.env.PANNIER_TEST_CLIENTS).map(({ name }) => name));
const languages = GENERATED_LANGUAGES.filter(({ name }) => chosenNames.has(name));
const copies: string[] = [];

afterAll(() => {
  for (const copy of copies) {
    rmSync(copy, { recursive: true });
  }
});

function newCopy(): string {
  const copy = copyProtos();
  copies.push(copy);
  return copy;
}

function filesOf(copy: string): string[] {
  return globSync('**/*', { cwd: copy, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(copy.length + 1))
    .filter((path) => !path.startsWith('node_modules/'))
    .sort();
}

/** Runs `command` as a user does. Resolves with the files that the command created. */
async function generate(copy: string, command: string, path: readonly string[]): Promise<string[]> {
  const before = new Set(filesOf(copy));
  await run('sh', ['-c', command], copy, path);
  return filesOf(copy).filter((file) => !before.has(file));
}

async function withSidecar(call: (address: string) => Promise<string>): Promise<string> {
  const sidecar = await startSidecar({});
  try {
    return await call(sidecar.address);
  } finally {
    await sidecar.stop();
  }
}

describe.each(languages)('$heading', (language) => {
  let copy: string;
  let tools: readonly string[];

  beforeAll(async () => {
    copy = newCopy();
    tools = await prepareTools(language);
    await language.prepareCopy?.(copy);
  }, BUILD_TIMEOUT_MS);

  if (language.generatesInBuild !== true) {
    test('the command of the page writes code to gen/ only', async () => {
      const files = await generate(copy, generateCommandOf(language.heading), tools);
      expect(files.length).toBeGreaterThan(0);
      expect(files.filter((file) => !file.startsWith('gen/'))).toEqual([]);
      expect(files.filter((file) => file.includes('/grpc/'))).toEqual([]);
    });
  }

  test(
    'the program of the page is built with that code and gets answers from a sidecar',
    async () => {
      expect(await withSidecar((address) => language.runProgram(copy, address))).toMatch(ANSWER);
    },
    BUILD_TIMEOUT_MS,
  );
});

if (chosenNames.has('grpc-js')) {
  test('Node without generated code: the program of the page gets answers from a sidecar', async () => {
    expect(await withSidecar((address) => runProtoLoader(newCopy(), address))).toMatch(ANSWER);
  });
}

interface NamesOnly {
  readonly heading: string;
  /**
   * Program that generates the stubs. The program may be missing, because it is not in any registry that the tests use.
   */
  readonly plugin: string;
  /** Patterns that each file in gen/ must match. */
  readonly messages: Readonly<Record<string, readonly RegExp[]>>;
  readonly stubs: Readonly<Record<string, readonly RegExp[]>>;
  /** Runs the program of the page in `copy`. The function is absent if the tests do not run the program. */
  readonly runProgram?: (copy: string, address: string) => Promise<string>;
}

const NAMES_ONLY: readonly NamesOnly[] = [
  {
    heading: 'C#',
    plugin: 'grpc_csharp_plugin',
    messages: {
      'Cache.cs': [/^namespace Pannier\.V1 \{$/m, /^ {2}public sealed partial class WatchFlush /m],
      'RateLimit.cs': [
        /^ {2}public sealed partial class Limit /m,
        /public long Limit_ \{/,
        /"ALGORITHM_FIXED_WINDOW"\)\] FixedWindow = 1,/,
      ],
    },
    stubs: { 'CacheGrpc.cs': [/^namespace Pannier\.V1 \{$/m, /partial class CacheServiceClient /, / CacheSetAsync\(/] },
  },
  {
    heading: 'PHP',
    plugin: 'grpc_php_plugin',
    messages: { 'Pannier/V1/WatchFlush.php': [/^namespace Pannier\\V1;$/m, /^class WatchFlush /m] },
    stubs: {
      'Pannier/V1/CacheServiceClient.php': [/^namespace Pannier\\V1;$/m, /^class CacheServiceClient /m],
      'Pannier/V1/RateLimitServiceClient.php': [/ function CheckRateLimit\(/],
    },
  },
  {
    heading: 'Ruby',
    plugin: 'grpc_tools_ruby_protoc',
    messages: { 'pannier/v1/cache_pb.rb': [/^module Pannier\n {2}module V1\n/m, /^ {4}WatchFlush = /m] },
    stubs: { 'pannier/v1/cache_services_pb.rb': [/^ {4}module CacheService$/m, /^ {6}Stub = /m] },
    runProgram: runRuby,
  },
];

/** Returns the command without the options that need the gRPC plugin of protoc. */
function messagesOnly(command: string): string {
  return command.replace('grpc_tools_ruby_protoc', 'protoc').replace(/ --grpc_out=gen(?: --plugin=\S+="[^"]*")?/, '');
}

/**
 * Languages for which protoc generates the messages. The list is empty if the Python tools, which contain protoc, are
 * not installed.
 */
const namesOnly = chosenNames.has('grpcio') ? NAMES_ONLY : [];

for (const { heading, plugin, messages, stubs, runProgram } of namesOnly) {
  const hasPlugin = isOnPath(plugin);
  const name = hasPlugin
    ? `names of messages and stubs${runProgram === undefined ? '' : ', and the program gets answers from a sidecar'}`
    : `names of messages; NOT RUN: stubs${runProgram === undefined ? '' : ' and program'}, because ${plugin} is missing`;

  test(
    `${heading}: the command of the page generates the ${name}`,
    async () => {
      const copy = newCopy();
      const command = generateCommandOf(heading);
      const files = await generate(copy, hasPlugin ? command : messagesOnly(command), [await installPython()]);
      expect(files.filter((file) => !file.startsWith('gen/'))).toEqual([]);
      for (const [file, patterns] of Object.entries({ ...messages, ...(hasPlugin ? stubs : {}) })) {
        for (const pattern of patterns) {
          expect(readFileSync(join(copy, 'gen', file), 'utf8')).toMatch(pattern);
        }
      }
      if (hasPlugin && runProgram !== undefined) {
        expect(await withSidecar((address) => runProgram(copy, address))).toMatch(ANSWER);
      }
    },
    BUILD_TIMEOUT_MS,
  );
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(join(directory, program)));
}

interface BufPlugin {
  readonly local?: string;
  readonly protoc_builtin?: string;
  readonly out: string;
}

describe('buf.gen.yaml', () => {
  // At least the Node plugin is always available.
  const template = parse(readFileSync(join(repositoryRoot, 'buf.gen.yaml'), 'utf8')) as { plugins: BufPlugin[] };
  const available = new Set(languages.flatMap(({ bufPlugins }) => bufPlugins));
  const plugins = template.plugins.filter((plugin) => available.has(nameOf(plugin)));
  const missing = template.plugins.filter((plugin) => !plugins.includes(plugin)).map(nameOf);
  const notRun = missing.length === 0 ? '' : `; NOT RUN: ${missing.join(', ')}`;

  test(
    `buf generate writes the code of Pannier and no code of gRPC's protos${notRun}`,
    async () => {
      const copy = newCopy();
      writeFileSync(join(copy, 'buf.gen.yaml'), stringify({ ...template, plugins }));
      const tools: string[] = [join(repositoryRoot, 'node_modules', '.bin')];
      for (const language of languages.filter(({ bufPlugins }) => bufPlugins.length > 0)) {
        tools.push(...(await prepareTools(language)));
      }
      const files = await generate(copy, generateCommandOf('buf'), tools);
      expect(files.filter((file) => !/^gen\/(go|js)\/pannier\/v1\/|^gen\/java\/dev\/pannier\/v1\//.test(file))).toEqual(
        [],
      );
      const directories = readdirSync(join(copy, 'gen')).map((directory) => `gen/${directory}`);
      expect(directories.sort()).toEqual([...new Set(plugins.map(({ out }) => out))].sort());
    },
    BUILD_TIMEOUT_MS,
  );
});

function nameOf(plugin: BufPlugin): string {
  return plugin.local ?? plugin.protoc_builtin ?? '';
}
