/**
 * Tests the output and exit codes of the commands for manifests, with a fake file system.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../test/support/repository.ts';
import { runInject } from './inject.ts';
import { runExplain } from './injection-explain.ts';
import { type FilesIo, processIo, readToEnd } from './manifest-io.ts';
import { runUninject } from './uninject.ts';

class FakeIo implements FilesIo {
  output = '';
  readonly errors: string[] = [];
  readonly #files: Readonly<Record<string, string>>;

  constructor(files: Readonly<Record<string, string>>) {
    this.#files = files;
  }

  read(path: string): string {
    const text = this.#files[path];
    if (text === undefined) {
      throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    }
    return text;
  }

  list(): undefined {
    return undefined;
  }

  out(text: string): void {
    this.output += text;
  }

  error(line: string): void {
    this.errors.push(line);
  }
}

function caseFile(name: string): string {
  return readFileSync(join(repositoryRoot, 'test/injection/cases', name), 'utf8');
}

const files = {
  '-': caseFile('deployment-plain.yaml'),
  'wrong.yaml': caseFile('wrong-annotations.yaml'),
  'all.yaml': caseFile('several-documents.yaml'),
  'broken.yaml': 'a: [\n',
  'services.yaml': 'kind: Service\n',
  'injector.yaml': 'sidecar: {image: "pannier:7", logLevel: warn}\n',
  'bad-injector.yaml': 'sidecar:\n  image: pannier\n  logLevel: loud\n',
};

describe('inject and uninject', () => {
  test('print the manifests, and what changed on standard error', () => {
    const io = new FakeIo(files);
    expect(runInject({ filename: ['-'], config: 'injector.yaml' }, io)).toBe(0);
    expect(io.output).toContain('image: pannier:7');
    expect(io.errors).toEqual(['deployment/web: injected']);
    const back = new FakeIo({ '-': io.output });
    expect(runUninject({ filename: ['-'] }, back)).toBe(0);
    expect(back.output).toBe(files['-']);
    expect(back.errors).toEqual(['deployment/web: uninjected']);
  });

  test('print no manifests if a pod is refused', () => {
    const io = new FakeIo(files);
    expect(runInject({ filename: ['wrong.yaml'], image: 'pannier:1' }, io)).toBe(1);
    expect(io.output).toBe('');
    expect(io.errors[0]).toMatch(
      /^wrong.yaml:12:9: deployment\/web: unknown annotation pannier.dev\/injekt; did you mean pannier.dev\/inject\?$/,
    );
  });

  test.each([
    ['a missing image', { filename: ['-'] }, 'neither --config nor --image'],
    ['a bad image', { filename: ['-'], image: 'pannier' }, '--image must be an image with a tag or a digest'],
    [
      'a bad kubelet',
      { filename: ['-'], image: 'pannier:1', kubelet: 'old' },
      '--kubelet must be a version such as v1.28.3, got "old"',
    ],
    ['a missing file', { filename: ['none.yaml'], image: 'pannier:1' }, 'cannot read none.yaml: ENOENT'],
    ['a broken file', { filename: ['broken.yaml'], image: 'pannier:1' }, 'cannot read the file as YAML'],
    [
      'a bad configuration',
      { filename: ['-'], config: 'bad-injector.yaml' },
      'bad-injector.yaml:3:13: sidecar.logLevel must be one of trace, debug',
    ],
  ])('exit with code 2 for %s', (_name, flags, text) => {
    const io = new FakeIo(files);
    expect(runInject(flags, io)).toBe(2);
    expect(io.output).toBe('');
    expect(io.errors.join('\n')).toContain(text);
  });

  test('refuse a file that is not UTF-8, and keep a byte order mark', () => {
    const directory = mkdtempSync(join(tmpdir(), 'pannier-bytes-'));
    try {
      const file = join(directory, 'latin.yaml');
      writeFileSync(file, Buffer.from('# caf\u00e9\nkind: Pod\n', 'latin1'));
      const io = new FakeIo({});
      expect(
        runUninject(
          { filename: [file] },
          { ...processIo, error: (line) => io.error(line), out: (text) => io.out(text) },
        ),
      ).toBe(2);
      expect(io.errors).toEqual([`cannot read ${file}: it is not UTF-8; use a readable file`]);
      writeFileSync(file, '\ufeff# caf\u00e9\n');
      expect(processIo.read(file)).toBe('\ufeff# caf\u00e9\n');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('read a non-blocking pipe to its end, up to the limit for manifests', () => {
    const parts = ['', 'kind: ', '', '', 'Pod\n'];
    const text = readToEnd((into) => {
      const part = parts.shift();
      if (part === '') {
        throw Object.assign(new Error('resource temporarily unavailable'), { code: 'EAGAIN' });
      }
      return part === undefined ? 0 : into.write(part);
    });
    expect(text.toString()).toBe('kind: Pod\n');
    expect(readToEnd((into) => into.length).length).toBeLessThan(65 * 1024 * 1024);
    const broken = (): number => {
      throw Object.assign(new Error('bad descriptor'), { code: 'EBADF' });
    };
    expect(() => readToEnd(broken)).toThrow('bad descriptor');
  });

  test('inject a plain container for an old kubelet, and honor --namespace-inject', () => {
    const io = new FakeIo({ '-': caseFile('pod-without-metadata.yaml') });
    expect(runInject({ filename: ['-'], image: 'pannier:1', namespaceInject: true, kubelet: 'v1.28.1' }, io)).toBe(0);
    expect(io.output).toContain('wait');
    expect(io.errors).toEqual(['pod/(no name): injected']);
  });
});

describe('explain', () => {
  test('shows for each workload what happens, why, and the source of each value', () => {
    const io = new FakeIo(files);
    expect(runExplain({ filename: ['all.yaml'], config: 'injector.yaml' }, io)).toBe(1);
    expect(io.errors).toEqual([
      'all.yaml:34:30: deployment/not-ours: cannot inject: annotation pannier.dev/inject at spec.template.metadata.annotations ' +
        'has no effect there; use --kind example.dev/Deployment=spec.template',
    ]);
    const lines = io.output.split('\n');
    expect(lines[0]).toBe(
      'shop/deployment/web: gets a native sidecar (init container that keeps running), requested by its namespace',
    );
    expect(lines).toContain('  image                      pannier:7 (configuration)');
    expect(lines).toContain('  grpc-port                  9470 (default)');
    expect(lines).toContain(
      '  quality of service: changes from BestEffort to Burstable, because the sidecar requests resources',
    );
    expect(lines).toContain(
      'pod/bare: no sidecar, neither the pod nor its namespace has pannier.dev/inject set to "true"',
    );
  });

  test('shows refused workloads and values of annotations', () => {
    const io = new FakeIo({ ...files, 'settings.yaml': caseFile('settings.yaml') });
    expect(runExplain({ filename: ['wrong.yaml'], image: 'pannier:1' }, io)).toBe(1);
    expect(io.output).toMatch(/^deployment\/web: would be refused\n {2}unknown annotation/);
    expect(runExplain({ filename: ['settings.yaml'], image: 'pannier:1' }, io)).toBe(0);
    expect(io.output).toContain('  scope                      checkout (annotation)');
  });

  test('hides Redis URLs, because they may hold a password', () => {
    const env = JSON.stringify({ PANNIER_CACHE_REDIS_URL: 'redis://:word@one', PANNIER_KEY_PREFIX: 'x:' });
    const annotations = { 'pannier.dev/inject': 'true', 'pannier.dev/redis-url': 'redis://:word@one' };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { annotations }, spec: { containers: [{ name: 'app' }] } };
    const given = { ...pod, metadata: { annotations: { ...annotations, 'pannier.dev/env': env } } };
    const config = JSON.stringify({ sidecar: { image: 'pannier:1', env: JSON.parse(env) } });
    const io = new FakeIo({ pod: JSON.stringify(pod), given: JSON.stringify(given), config });
    expect(runExplain({ filename: ['pod'], config: 'config' }, io)).toBe(0);
    expect(runExplain({ filename: ['given'], image: 'pannier:1' }, io)).toBe(0);
    expect(io.output).not.toContain('word@');
    const shown = '  env                        PANNIER_CACHE_REDIS_URL (not shown), PANNIER_KEY_PREFIX="x:"';
    expect(io.output.split('\n').filter((line) => line.startsWith('  env '))).toEqual([
      `${shown} (configuration)`,
      `${shown} (annotation)`,
    ]);
  });

  test('reports manifests without pods', () => {
    const io = new FakeIo(files);
    expect(runExplain({ filename: ['services.yaml'], image: 'pannier:1' }, io)).toBe(0);
    expect(io.output).toBe('these manifests contain no pods\n');
  });
});
