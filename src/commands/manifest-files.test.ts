/**
 * Tests how `--filename` finds files, in real directories.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FileFlags, readManifestFiles } from './manifest-files.ts';
import { type FilesIo, processIo } from './manifest-io.ts';

const directory = mkdtempSync(join(tmpdir(), 'pannier-files-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function write(...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), `# ${path}\n`);
  }
}

/** Reads files relative to the directory. Returns their names, or the printed errors. */
function read(filename: readonly string[], further: Partial<FileFlags> & { io?: Partial<FilesIo> } = {}): string[] {
  const errors: string[] = [];
  const short = (text: string): string => text.replaceAll(`${directory}/`, '');
  const io = { ...processIo, error: (line: string) => void errors.push(short(line)), ...further.io };
  const full = filename.map((path) => (/^-?$|:\/\//.test(path) ? path : join(directory, path)));
  const files = readManifestFiles({ ...further, filename: full }, io);
  expect(files === undefined).toBe(errors.length > 0);
  for (const { name, text } of files ?? []) {
    expect(name === '<stdin>' ? name : text).toBe(name === '<stdin>' ? name : `# ${short(name)}\n`);
  }
  return files?.map(({ name }) => short(name)) ?? errors;
}

beforeAll(() => {
  write('m/b.yaml', 'm/a.json', 'm/c.yml', 'm/d.txt', 'm/e.YAML', 'm/sub/a.yaml', 'm/sub/deep/z.yaml', 'm/b.d/x.yaml');
  write('only/sub/x.yaml', 'none/readme.md', 'text');
  symlinkSync(join(directory, 'text'), join(directory, 'm/link.txt'));
  write('link/..data/target.yaml');
  symlinkSync(join(directory, 'link/..data'), join(directory, 'link/linked'));
});

test('keeps the order of the command line, and accepts any name of a file', () => {
  expect(read(['text', 'm/c.yml', 'm/b.yaml', 'text'])).toEqual(['text', 'm/c.yml', 'm/b.yaml', 'text']);
});

test('reads the manifests of a directory, sorted by name', () => {
  expect(read(['m'])).toEqual(['m/a.json', 'm/b.yaml', 'm/c.yml']);
  expect(read(['text', 'm/'])).toEqual(['text', 'm/a.json', 'm/b.yaml', 'm/c.yml']);
});

test('reads subdirectories with --recursive', () => {
  expect(read(['m'], { recursive: true })).toEqual([
    'm/a.json',
    'm/b.d/x.yaml',
    'm/b.yaml',
    'm/c.yml',
    'm/sub/a.yaml',
    'm/sub/deep/z.yaml',
  ]);
});

test('follows links to files, but not to directories', () => {
  symlinkSync(join(directory, 'm/b.yaml'), join(directory, 'link/file.yaml'));
  const io = { read: (path: string) => `# ${path.slice(directory.length + 1)}\n` };
  expect(read(['link'], { recursive: true, io })).toEqual(['link/..data/target.yaml', 'link/file.yaml']);
  symlinkSync(join(directory, 'nothing'), join(directory, 'link/broken.yaml'));
  expect(read(['link'])).toEqual(['cannot read link/broken.yaml: ENOENT; use a readable file']);
});

test('reads standard input at most once', () => {
  const io = { read: (path: string) => (path === '-' ? 'kind: Pod\n' : processIo.read(path)) };
  expect(read(['text', '-', 'm'], { io })).toEqual(['text', '<stdin>', 'm/a.json', 'm/b.yaml', 'm/c.yml']);
  expect(read(['-', 'text', '-'], { io })).toEqual(['--filename must contain - at most once, got 2 times']);
});

test.each([
  [
    ['only'],
    'cannot read only: the directory contains no file that ends in .yaml, .yml or .json; name the files, or use --recursive for subdirectories',
  ],
  [['text', 'gone', 'm/none'], 'cannot read gone: ENOENT; use a readable file'],
  [['text', ''], '--filename must be a file, a directory or -, got ""'],
  [['text/a.yaml'], 'cannot read text/a.yaml: ENOTDIR; use a readable file'],
  [
    ['https://example.com/a.yaml'],
    'cannot read https://example.com/a.yaml: URLs are not supported; use curl https://example.com/a.yaml | and --filename -',
  ],
])('refuses %j', (filename, message) => {
  expect(read(filename)[0]).toBe(message);
});

test('reports all files that cannot be read', () => {
  expect(read(['gone', 'text', 'm/none'])).toHaveLength(2);
});

test('refuses a directory without manifests even with --recursive', () => {
  expect(read(['none'], { recursive: true })).toEqual([
    'cannot read none: the directory contains no file that ends in .yaml, .yml or .json; name the files',
  ]);
});

test('bounds the number of files, their bytes and the depth', () => {
  const names = Array.from({ length: 10_001 }, (_, index) => ({ name: `${index}.yaml`, isDirectory: false }));
  expect(read(['x'], { io: { list: () => names } })).toEqual([
    'cannot read x/10000.yaml: there are more than 10000 files; name fewer files',
  ]);
  const big = 'x'.repeat(60 * 1024 * 1024);
  expect(read(['1', '2', '3', '4', '5'], { io: { read: () => big } })).toEqual([
    'cannot read 5: the files are larger than 268435456 bytes in total; name fewer files',
  ]);
  const [error] = read(['x'], { recursive: true, io: { list: () => [{ name: 'x', isDirectory: true }] } });
  expect(error).toMatch(/^cannot read (x\/)+x: it is more than 32 directories deep; name the directory itself$/);
});
