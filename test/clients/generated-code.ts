/**
 * Installs the code generators of each language, and builds and runs the programs of docs/clients.md with the generated
 * code.
 *
 * 1. test/clients/generated pins the versions of the tools. The tools come from the package registry of their language,
 *    and protoc comes from PyPI.
 * 2. A command of the page writes only to a temporary copy of the protos.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { repositoryRoot } from '../support/repository.ts';
import { cacheDirectory, once, requirePrograms, run, sourceDirectory } from './builds.ts';
import { programsOf } from './clients-page.ts';

/** A section of docs/clients.md whose program the test builds and runs. */
export interface GeneratedLanguage {
  /** Name in PANNIER_TEST_CLIENTS. */
  readonly name: string;
  readonly heading: string;
  readonly toolchain: readonly string[];
  /**
   * True if the build of the program generates the code, so that the page has no separate command that generates it.
   */
  readonly generatesInBuild?: boolean;
  /** Plugins of buf.gen.yaml that `installTools` installs. */
  readonly bufPlugins: readonly string[];
  /** Installs missing tools. Resolves with the directories that contain the programs of the tools. */
  installTools(): Promise<readonly string[]>;
  /** Adds to the directory `copy` the files that the command needs. */
  prepareCopy?(copy: string): Promise<void>;
  /**
   * Builds and runs the program of the page in `copy`, whose directory gen/ contains the generated code. Resolves with
   * the output of the program.
   */
  runProgram(copy: string, address: string): Promise<string>;
}

/** Newest version of the plugin for Linux on Maven Central. The code that it generates works with newer libraries. */
const JAVA_PLUGIN_VERSION = '1.83.1';

export const GENERATED_LANGUAGES: readonly GeneratedLanguage[] = [
  {
    name: 'grpc-go',
    heading: 'Go',
    toolchain: ['go', 'python3'],
    bufPlugins: ['protoc-gen-go', 'protoc-gen-go-grpc'],
    installTools: async () => [await installPython(), await installGo()],
    runProgram: runGo,
  },
  {
    name: 'grpc-java',
    heading: 'Java',
    toolchain: ['java', 'javac', 'mvn', 'python3'],
    bufPlugins: ['java', 'protoc-gen-grpc-java'],
    installTools: async () => [await installPython(), await installJava()],
    runProgram: runJava,
  },
  {
    name: 'grpcio',
    heading: 'Python',
    toolchain: ['python3'],
    bufPlugins: [],
    installTools: async () => [await installPython()],
    runProgram: runPython,
  },
  {
    name: 'grpc-js',
    heading: 'Node',
    toolchain: [],
    bufPlugins: ['protoc-gen-es'],
    installTools: async () => [join(await installNode(), '.bin')],
    prepareCopy: linkNodePackages,
    runProgram: runNode,
  },
  {
    name: 'tonic',
    heading: 'Rust',
    toolchain: ['cargo', 'python3'],
    generatesInBuild: true,
    bufPlugins: [],
    installTools: async () => [await installPython()],
    runProgram: runRust,
  },
];

/**
 * Installs the tools of `language`, and returns their directories. Rejects if the toolchain of the language is not
 * installed.
 */
export async function prepareTools(language: GeneratedLanguage): Promise<readonly string[]> {
  await requirePrograms(language.name, language.toolchain);
  return await language.installTools();
}

/** Creates a directory with an empty gen/ and the files of the repository from which users generate code. */
export function copyProtos(): string {
  const copy = mkdtempSync(join(tmpdir(), 'pannier-generated-'));
  for (const name of ['buf.gen.yaml', 'buf.yaml', 'proto', 'third_party']) {
    cpSync(join(repositoryRoot, name), join(copy, name), { recursive: true });
  }
  mkdirSync(join(copy, 'gen'));
  return copy;
}

/** Installs protoc and grpcio-tools. Returns the directory that contains protoc and python3. */
export async function installPython(): Promise<string> {
  const requirements = join(generatedDirectory('python'), 'requirements.txt');
  const environment = join(cacheDirectory('generated-python'), 'venv');
  const programs = join(environment, 'bin');
  await once('generated-python', [requirements], async () => {
    await run('python3', ['-m', 'venv', '--clear', environment], repositoryRoot);
    await run(join(programs, 'python'), ['-m', 'pip', 'install', '--quiet', '-r', requirements], repositoryRoot);
  });
  return programs;
}

async function installGo(): Promise<string> {
  const programs = cacheDirectory('generated-go');
  const plugins = ['google.golang.org/protobuf/cmd/protoc-gen-go', 'google.golang.org/grpc/cmd/protoc-gen-go-grpc'];
  await run('go', ['build', '-o', `${programs}/`, ...plugins], generatedDirectory('go'));
  return programs;
}

async function installJava(): Promise<string> {
  const programs = cacheDirectory('generated-java');
  await once('generated-java', [join(generatedDirectory('java'), 'pom.xml'), import.meta.filename], async () => {
    const classifier = `${process.platform === 'darwin' ? 'osx' : 'linux'}-${process.arch === 'arm64' ? 'aarch_64' : 'x86_64'}`;
    const plugin = `io.grpc:protoc-gen-grpc-java:${JAVA_PLUGIN_VERSION}:exe:${classifier}`;
    const classPath = ['dependency:build-classpath', `-Dmdep.outputFile=${join(programs, 'class-path')}`];
    const copyPlugin = ['dependency:copy', `-Dartifact=${plugin}`, `-DoutputDirectory=${programs}`];
    await run('mvn', ['-q', '-B', ...classPath, ...copyPlugin], generatedDirectory('java'));
    copyFileSync(
      join(programs, `protoc-gen-grpc-java-${JAVA_PLUGIN_VERSION}-${classifier}.exe`),
      join(programs, 'protoc-gen-grpc-java'),
    );
    chmodSync(join(programs, 'protoc-gen-grpc-java'), 0o755);
  });
  return programs;
}

/** Installs protobuf-es, Connect and buf. Returns the path of the node_modules directory. */
async function installNode(): Promise<string> {
  const directory = cacheDirectory('generated-node');
  const manifests = ['package.json', 'package-lock.json'].map((name) => join(generatedDirectory('node'), name));
  await once('generated-node', manifests, async () => {
    for (const manifest of manifests) {
      cpSync(manifest, join(directory, manifest.slice(dirname(manifest).length)));
    }
    await run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], directory);
  });
  return join(directory, 'node_modules');
}

async function runGo(copy: string, address: string): Promise<string> {
  cpSync(generatedDirectory('go'), copy, { recursive: true });
  writePrograms(copy, ['main.go'], programsOf('Go', 'go', address));
  return await run('go', ['run', '.'], copy);
}

async function runJava(copy: string, address: string): Promise<string> {
  const libraries = readFileSync(join(cacheDirectory('generated-java'), 'class-path'), 'utf8').trim();
  const classPath = `${join(copy, 'classes')}:${libraries}`;
  writePrograms(copy, ['App.java'], programsOf('Java', 'java', address));
  cpSync(join(generatedDirectory('java'), 'Names.java'), join(copy, 'Names.java'));
  const sources = ['App.java', 'Names.java', ...globSync('gen/**/*.java', { cwd: copy })];
  await run('javac', ['-nowarn', '-cp', classPath, '-d', join(copy, 'classes'), ...sources], copy);
  return await run('java', ['-cp', classPath, 'App'], copy);
}

async function runPython(copy: string, address: string): Promise<string> {
  writePrograms(copy, ['app.py'], programsOf('Python', 'python', address));
  cpSync(join(generatedDirectory('python'), 'with_health.py'), join(copy, 'with_health.py'));
  return await run('python3', ['with_health.py'], copy, [await installPython()]);
}

async function runNode(copy: string, address: string): Promise<string> {
  writePrograms(copy, ['app.js'], programsOf('Node', 'js', address));
  return await run(process.execPath, ['app.js'], copy);
}

/** Runs the program that reads the protos of `copy` with proto-loader. */
export async function runProtoLoader(copy: string, address: string): Promise<string> {
  symlinkSync(join(repositoryRoot, 'node_modules'), join(copy, 'node_modules'));
  writePrograms(copy, ['app.mjs'], programsOf('Node without generated code', 'js', address));
  return await run(process.execPath, ['app.mjs'], copy);
}

async function runRust(copy: string, address: string): Promise<string> {
  writePrograms(copy, ['Cargo.toml'], programsOf('Rust', 'toml', address));
  writePrograms(copy, ['build.rs', 'src/main.rs'], programsOf('Rust', 'rust', address));
  cpSync(join(generatedDirectory('rust'), 'Cargo.lock'), join(copy, 'Cargo.lock'));
  // The test client for tonic uses the same target directory, because both programs need mostly the same libraries with
  // the same build profile.
  const target = join(cacheDirectory('tonic'), 'target');
  const build = ['build', '--locked', '--quiet', '--target-dir', target, '--config', 'profile.dev.debug=false'];
  await run('cargo', build, copy, [await installPython()]);
  return await run(join(target, 'debug', 'app'), [], copy);
}

/** Runs the Ruby program, which needs the Ruby gems grpc and google-protobuf. */
export async function runRuby(copy: string, address: string): Promise<string> {
  writePrograms(copy, ['app.rb'], programsOf('Ruby', 'ruby', address));
  return await run('ruby', ['app.rb'], copy);
}

/** Links the npm packages that the page names, so that `npx` and the program find them. */
async function linkNodePackages(copy: string): Promise<void> {
  symlinkSync(await installNode(), join(copy, 'node_modules'));
  cpSync(join(generatedDirectory('node'), 'package.json'), join(copy, 'package.json'));
}

function writePrograms(copy: string, names: readonly string[], programs: readonly string[]): void {
  if (programs.length !== names.length) {
    throw new Error(`docs/clients.md must have one program each for ${names.join(', ')}, got ${programs.length}`);
  }
  for (const [index, name] of names.entries()) {
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    writeFileSync(join(copy, name), programs[index] ?? '');
  }
}

function generatedDirectory(language: string): string {
  return sourceDirectory(join('generated', language));
}
