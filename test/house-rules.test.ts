/**
 * The rules of the house as tests: who may import whom, how long a file may be, what no file may hold.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { repositoryFiles, repositoryRoot } from './support/repository.ts';

const LINES_MAX = 400;

/** Each room and the rooms it may import from besides itself. The picture: docs/architecture.md. */
const ROOMS: Record<string, readonly string[]> = {
  main: ['commands', 'lib'],
  commands: ['app', 'kubernetes', 'config', 'observability', 'grpc', 'redis', 'lib'],
  app: ['rate-limit', 'session', 'cache', 'near', 'grpc', 'redis', 'config', 'observability', 'lib'],
  'rate-limit': ['near', 'redis', 'grpc', 'config', 'observability', 'lib'],
  session: ['near', 'redis', 'grpc', 'config', 'observability', 'lib'],
  cache: ['near', 'redis', 'grpc', 'config', 'observability', 'lib'],
  kubernetes: ['config', 'observability', 'lib'],
  near: ['redis', 'lib'],
  redis: ['lib'],
  grpc: ['lib'],
  config: ['lib'],
  observability: ['lib'],
  lib: [],
};

const sourceFiles = repositoryFiles(['src/**/*.ts']).filter((path) => !path.startsWith('src/grpc/generated/'));
const ownFiles = [...sourceFiles, ...repositoryFiles(['test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'])];
const textFiles = repositoryFiles(['**/*']).filter(
  (path) => !/\.(binpb|png)$|^package-lock\.json$|^LICENSE$/.test(path),
);

function read(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

/** The composition root may have more than one file: all are `app`. */
function roomOf(path: string): string {
  const [, first = ''] = path.split('/');
  return first.endsWith('.ts') ? first.replace(/(-\w+)*\.ts$/, '') : first;
}

function importsOf(path: string): string[] {
  const pattern = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g;
  return [...read(path).matchAll(pattern)].map((match) => normalize(join(dirname(path), match[1] ?? '')));
}

describe('imports', () => {
  test('follow the direction of the rooms', () => {
    const wrong: string[] = [];
    for (const path of sourceFiles.filter((file) => !file.endsWith('.test.ts'))) {
      const room = roomOf(path);
      const allowed = ROOMS[room];
      if (allowed === undefined) {
        wrong.push(`${path} lies in the unknown room ${room}`);
        continue;
      }
      for (const target of importsOf(path)) {
        const targetRoom = roomOf(target);
        if (targetRoom !== room && !allowed.includes(targetRoom)) {
          wrong.push(`${path} imports ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('of node-redis lie in src/redis, of grpc-js in src/grpc and the call command', () => {
    const wrong = sourceFiles.filter((path) => {
      const text = read(path);
      const touchesRedis = /from '@redis\/client/.test(text) && !path.startsWith('src/redis/');
      const isGrpcPlace = path.startsWith('src/grpc/') || path === 'src/commands/call.ts';
      const touchesGrpc = /from '@grpc\/grpc-js/.test(text) && !isGrpcPlace;
      return !path.endsWith('.test.ts') && (touchesRedis || touchesGrpc);
    });
    expect(wrong).toEqual([]);
  });

  test('of the build script are in the context of the image', () => {
    const admitted = read('.dockerignore').split('\n');
    const missing = importsOf('scripts/build.ts').filter((path) => !admitted.includes(`!${path}`));
    expect(missing).toEqual([]);
  });
});

describe('source files', () => {
  test(`have at most ${LINES_MAX} lines`, () => {
    const long = ownFiles.filter((path) => read(path).split('\n').length - 1 > LINES_MAX);
    expect(long).toEqual([]);
  });

  test('open with what they are for', () => {
    const silent = ownFiles.filter((path) => !read(path).startsWith('/**'));
    expect(silent).toEqual([]);
  });

  test('are named in kebab-case', () => {
    const wrong = ownFiles.filter((path) => !/^[a-z0-9-]+(\.test)?\.ts$/.test(path.split('/').at(-1) ?? ''));
    expect(wrong).toEqual([]);
  });

  test('hold no any, enum, default export or unfinished work', () => {
    const patterns = [
      /:\s*any\b|<any>|\bas any\b/,
      /^export default/m,
      /^(export )?(const )?enum /m,
      /\bTODO\b|\bFIXME\b/,
    ];
    const wrong = sourceFiles.filter((path) => {
      const text = read(path).replace(/^.*biome-ignore lint\/suspicious\/noExplicitAny.*\n.*$/gm, '');
      return patterns.some((pattern) => pattern.test(text));
    });
    expect(wrong).toEqual([]);
  });

  test('wait for conditions in tests, not for time, and skip nothing', () => {
    const wrong = ownFiles.filter((path) => {
      const text = read(path);
      const sleeps = /\b(sleep|delay)\(\s*\d{3,}/.test(text);
      const skips = /\b(it|test|describe)\.(skip|only|todo)\b|\bx(it|describe)\(/.test(text);
      return path !== 'test/house-rules.test.ts' && path.endsWith('.test.ts') && (sleeps || skips);
    });
    expect(wrong).toEqual([]);
  });
});

test('no file names a place on somebody’s machine', () => {
  const place = new RegExp(['/work/', '/root/\\w', '/home/\\w', 'registry\\.npmjs'].join('|'));
  const allowed = new Set(['test/house-rules.test.ts', 'Dockerfile']);
  const wrong = textFiles.filter((path) => !allowed.has(path) && place.test(read(path)));
  expect(wrong).toEqual([]);
});
