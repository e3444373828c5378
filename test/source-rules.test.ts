/**
 * Tests rules of the source tree: directions of imports, names, lengths of files, and text that no file may contain.
 */
import { dirname, join, normalize } from 'node:path';
import { SOCKET_PATH } from '../src/injection/sidecar.ts';
import { readRepositoryFile, repositoryFiles } from './support/repository.ts';

const MAX_LINES = 400;

/** Other modules that each module may import. docs/internals/architecture.md describes the modules. */
const MODULES: Record<string, readonly string[]> = {
  main: ['commands', 'lib'],
  commands: ['app', 'injector', 'manifests', 'injection', 'config', 'observability', 'grpc', 'redis', 'lib'],
  app: ['rate-limit', 'session', 'cache', 'near', 'grpc', 'redis', 'config', 'observability', 'lib'],
  'rate-limit': ['near', 'redis', 'grpc', 'config', 'observability', 'lib'],
  session: ['near', 'redis', 'grpc', 'config', 'observability', 'lib'],
  cache: ['near', 'redis', 'grpc', 'config', 'observability', 'lib'],
  injector: ['injection', 'config', 'observability', 'lib'],
  manifests: ['injection', 'lib'],
  injection: ['config', 'lib'],
  near: ['lib'],
  redis: ['lib'],
  grpc: ['lib'],
  config: ['lib'],
  observability: ['lib'],
  lib: [],
};

/**
 * Folders that each folder of the built-in HTTP/2 server may import. Files directly in src/grpc/http2 may import from
 * every folder.
 */
const HTTP2_FOLDERS: Record<string, readonly string[]> = {
  calls: ['streams', 'messages', 'hpack', 'frames', 'limits'],
  streams: ['messages', 'hpack', 'frames', 'limits'],
  messages: ['hpack', 'frames', 'limits'],
  hpack: ['frames', 'limits'],
  frames: ['limits'],
  limits: [],
};

const sourceFiles = repositoryFiles(['src/**/*.ts']).filter((path) => !path.startsWith('src/grpc/generated/'));
const ownFiles = [...sourceFiles, ...repositoryFiles(['test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'])];
const textFiles = repositoryFiles(['**/*']).filter(
  (path) => !/\.(binpb|png)$|^package-lock\.json$|^LICENSE$/.test(path),
);

function moduleOf(path: string): string {
  const [, first = ''] = path.split('/');
  return first.replace(/\.ts$/, '');
}

function importsOf(path: string): string[] {
  const pattern = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g;
  return [...readRepositoryFile(path).matchAll(pattern)].map((match) => normalize(join(dirname(path), match[1] ?? '')));
}

function http2FolderOf(path: string): string | undefined {
  return /^src\/grpc\/http2\/([^/]+)\//.exec(path)?.[1];
}

/** Returns groups of files that import each other, including type imports (Tarjan's strongly connected components). */
function importCycles(files: readonly string[]): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const cycles: string[][] = [];
  function visit(file: string): number {
    const number = order.size;
    let low = number;
    order.set(file, number);
    open.push(file);
    for (const target of importsOf(file).filter((path) => files.includes(path))) {
      if (!order.has(target)) {
        low = Math.min(low, visit(target));
      } else if (open.includes(target)) {
        low = Math.min(low, lowest.get(target) ?? order.get(target) ?? number);
      }
    }
    lowest.set(file, low);
    if (low === number) {
      const group = open.splice(open.indexOf(file));
      if (group.length > 1) {
        cycles.push(group.sort());
      }
    }
    return low;
  }
  for (const file of files) {
    if (!order.has(file)) {
      visit(file);
    }
  }
  return cycles;
}

describe('imports', () => {
  test('contain no cycle', () => {
    expect(importCycles(sourceFiles.filter((file) => !file.endsWith('.test.ts')))).toEqual([]);
  });

  test('in the built-in HTTP/2 server follow the direction of its folders', () => {
    const wrong: string[] = [];
    for (const path of sourceFiles.filter((file) => !file.endsWith('.test.ts'))) {
      const folder = http2FolderOf(path);
      if (folder === undefined) {
        continue;
      }
      const allowed = HTTP2_FOLDERS[folder];
      const targets = importsOf(path).filter((target) => target.startsWith('src/grpc/http2/'));
      for (const target of targets) {
        const targetFolder = http2FolderOf(target) ?? 'src/grpc/http2';
        if (targetFolder !== folder && allowed?.includes(targetFolder) !== true) {
          wrong.push(`${path} imports ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('between modules follow the direction of the modules', () => {
    const wrong: string[] = [];
    for (const path of sourceFiles.filter((file) => !file.endsWith('.test.ts'))) {
      const module = moduleOf(path);
      const allowed = MODULES[module];
      if (allowed === undefined) {
        wrong.push(`${path} is in the unknown module ${module}`);
        continue;
      }
      for (const target of importsOf(path)) {
        const targetModule = moduleOf(target);
        if (targetModule !== module && !allowed.includes(targetModule)) {
          wrong.push(`${path} imports ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('of node-redis are only in src/redis, and of grpc-js only in src/grpc and the call command', () => {
    const wrong = sourceFiles.filter((path) => {
      const text = readRepositoryFile(path);
      const touchesRedis = /from '@redis\/client/.test(text) && !path.startsWith('src/redis/');
      const isGrpcPlace = path.startsWith('src/grpc/') || path === 'src/commands/call.ts';
      const touchesGrpc = /from '@grpc\/grpc-js/.test(text) && !isGrpcPlace;
      return !path.endsWith('.test.ts') && (touchesRedis || touchesGrpc);
    });
    expect(wrong).toEqual([]);
  });

  test('of the app without Redis and of src/near never reach src/redis', () => {
    const starts = sourceFiles.filter((path) => /^src\/near\/(?!.*\.test\.ts$)|^src\/app\/app\.ts$/.test(path));
    const ways = new Map<string, string>(starts.map((path) => [path, path]));
    // The loop also visits the entries that its body adds.
    for (const [path, way] of ways) {
      const isFollowed = sourceFiles.includes(path) && path !== 'src/app/redis-stores.ts';
      for (const target of isFollowed ? importsOf(path) : []) {
        ways.set(target, ways.get(target) ?? `${way} -> ${target}`);
      }
    }
    expect([...ways.keys()]).toEqual(
      expect.arrayContaining(['src/app/memory-stores.ts', 'src/app/redis-stores.ts', 'src/cache/service.ts']),
    );
    expect([...ways.values()].filter((way) => way.includes('src/redis/'))).toEqual([]);
  });

  test('of the build script are included in the build context of the image', () => {
    const admitted = readRepositoryFile('.dockerignore').split('\n');
    const missing = importsOf('scripts/build.ts').filter((path) => !admitted.includes(`!${path}`));
    expect(missing).toEqual([]);
  });
});

describe('capability modules', () => {
  const roles = [
    'service',
    'request',
    'response',
    'model',
    'store',
    'memory-store',
    'redis-store',
    'redis-reply',
    'metrics',
  ];

  test.each(['rate-limit', 'session', 'cache'])('%s has the same file names for the same roles', (module) => {
    const missing = roles.filter((role) => !sourceFiles.includes(`src/${module}/${role}.ts`));
    expect(missing).toEqual([]);
    expect(repositoryFiles([`src/${module}/scripts/**/*.lua`])).not.toEqual([]);
  });
});

describe('names', () => {
  test('of exports are unique', () => {
    const places = new Map<string, string[]>();
    for (const path of sourceFiles.filter((file) => !file.endsWith('.test.ts'))) {
      const declared = readRepositoryFile(path).matchAll(
        /^export (?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type) (\w+)/gm,
      );
      for (const name of new Set([...declared].map((match) => match[1] ?? ''))) {
        places.set(name, [...(places.get(name) ?? []), path]);
      }
    }
    expect([...places].filter(([, paths]) => paths.length > 1)).toEqual([]);
  });

  test('of test doubles are exported only by test/support', () => {
    const double = /^export .*\b(?:const|let|function|class) ((?:Fake|silent|no)(?:[A-Z]\w*|\b))/gm;
    const wrong = sourceFiles.flatMap((path) =>
      [...readRepositoryFile(path).matchAll(double)].map((match) => `${path} exports ${match[1]}`),
    );
    expect(wrong).toEqual([]);
  });

  test('of annotations and labels are spelled out only in their table', () => {
    const wrong = sourceFiles.flatMap((path) => {
      const lines = path.endsWith('.test.ts') ? [] : readRepositoryFile(path).split('\n');
      const code = lines.filter((line) => !/^\s*(?:\/\/|\/?\*)/.test(line));
      return code.filter((line) => line.includes('pannier.dev/')).map((line) => `${path}: ${line.trim()}`);
    });
    expect(wrong).toEqual(["src/injection/annotations.ts: export const ANNOTATION_PREFIX = 'pannier.dev/';"]);
  });

  test('of sibling files differ by more than one letter', () => {
    const siblings = new Map<string, Set<string>>();
    for (const path of ownFiles) {
      const name =
        path
          .split('/')
          .at(-1)
          ?.replace(/(\.test)?\.ts$/, '') ?? '';
      siblings.set(dirname(path), (siblings.get(dirname(path)) ?? new Set()).add(name));
    }
    const alike = [...siblings].flatMap(([directory, names]) =>
      [...names].flatMap((name) =>
        [...names]
          .filter((other) => name < other && differByOneLetter(name, other))
          .map((other) => `${directory}: ${name}, ${other}`),
      ),
    );
    expect(alike).toEqual([]);
  });

  test('of upper and lower bounds begin with max or min', () => {
    const wrong = ownFiles.filter((path) => {
      const text = readRepositoryFile(path).replaceAll(/MALLOC_ARENA_MAX|PADDING_STRATEGY_MAX|PANNIER_\w+/g, '');
      return path !== 'test/source-rules.test.ts' && /\b[A-Z][A-Z0-9_]*_(MAX|MIN)\b/.test(text);
    });
    expect(wrong).toEqual([]);
  });
});

/** Returns whether the names differ by one added, missing or replaced letter. */
function differByOneLetter(left: string, right: string): boolean {
  const [short, long] = left.length <= right.length ? [left, right] : [right, left];
  if (short.length === long.length) {
    return [...short].filter((letter, index) => letter !== long[index]).length === 1;
  }
  const isOneLonger = long.length === short.length + 1;
  return isOneLonger && [...long].some((_, index) => long.slice(0, index) + long.slice(index + 1) === short);
}

describe('source files', () => {
  test(`have at most ${MAX_LINES} lines`, () => {
    const long = ownFiles.filter((path) => readRepositoryFile(path).split('\n').length - 1 > MAX_LINES);
    expect(long).toEqual([]);
  });

  test('begin with a header comment', () => {
    const silent = ownFiles.filter((path) => !readRepositoryFile(path).startsWith('/**'));
    expect(silent).toEqual([]);
  });

  test('are named in kebab-case', () => {
    const wrong = ownFiles.filter((path) => !/^[a-z0-9-]+(\.test)?\.ts$/.test(path.split('/').at(-1) ?? ''));
    expect(wrong).toEqual([]);
  });

  test('contain no any, enum, default export or unfinished work', () => {
    const patterns = [
      /:\s*any\b|<any>|\bas any\b/,
      /^export default/m,
      /^(export )?(const )?enum /m,
      /\bTODO\b|\bFIXME\b/,
    ];
    const wrong = sourceFiles.filter((path) => {
      const text = readRepositoryFile(path).replace(/^.*biome-ignore lint\/suspicious\/noExplicitAny.*\n.*$/gm, '');
      return patterns.some((pattern) => pattern.test(text));
    });
    expect(wrong).toEqual([]);
  });

  test('of tests wait for conditions instead of a fixed time, and skip no test', () => {
    const wrong = ownFiles.filter((path) => {
      const text = readRepositoryFile(path);
      const sleeps = /\b(sleep|delay)\(\s*\d{3,}/.test(text);
      const skips = /\b(it|test|describe)\.(skip|only|todo)\b|\bx(it|describe)\(/.test(text);
      return path !== 'test/source-rules.test.ts' && path.endsWith('.test.ts') && (sleeps || skips);
    });
    expect(wrong).toEqual([]);
  });
});

test('no file contains the markers of a merge conflict', () => {
  const wrong = textFiles.filter((path) => /^(?:<{7}|>{7}) /m.test(readRepositoryFile(path)));
  expect(wrong).toEqual([]);
});

test('no file names a path of a specific machine', () => {
  const place = new RegExp(['/work/', '/root/\\w', '/home/\\w', 'registry\\.npmjs'].join('|'));
  const allowed = new Set(['test/source-rules.test.ts', 'Dockerfile']);
  const wrong = textFiles.filter((path) => !allowed.has(path) && place.test(readRepositoryFile(path)));
  expect(wrong).toEqual([]);
});

describe('files that exist', () => {
  const files = repositoryFiles(['**/*']);

  function isMissing(name: string): boolean {
    return !files.some((file) => file === name || file.endsWith(`/${name}`));
  }

  test('include all files that the docs name', () => {
    const missing = repositoryFiles(['README.md', 'docs/**/*.md']).flatMap((page) =>
      [...readRepositoryFile(page).matchAll(/`([\w./-]+\.(?:ts|lua|proto))`/g)]
        .map((match) => match[1] ?? '')
        .filter(isMissing)
        .map((name) => `${page}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('include all files that comments name', () => {
    const missing = [...ownFiles, ...repositoryFiles(['src/**/*.lua'])].flatMap((path) =>
      [...readRepositoryFile(path).matchAll(/^\s*(?:\*|\/\/|--) .*$/gm)]
        .flatMap(([line]) => [...line.matchAll(/(?<![\w@*<./-])[a-z0-9][a-z0-9/-]*(?:\.test)?\.(?:ts|lua)\b/g)])
        .map(([name]) => name)
        .filter(isMissing)
        .map((name) => `${path}: ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

test('every file uses the same path for the socket of a pod', () => {
  const wrong = textFiles.filter((path) =>
    [...readRepositoryFile(path).matchAll(/\/run\/pannier\/[\w.-]*\.sock/g)].some((match) => match[0] !== SOCKET_PATH),
  );
  expect(wrong).toEqual([]);
});
