/**
 * The foreign clients: how each is built from its folder here, and started. What a build needs and makes lies in the cache
 * directory; what it fetches comes from the language's own registry, by the versions that its folder pins.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, once, requirePrograms, run, sourceDirectory } from './builds.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

export interface Language {
  /** The gRPC implementation, as PANNIER_TEST_CLIENTS names it. */
  readonly name: string;
  /** Programs that a machine must have. */
  readonly toolchain: readonly string[];
  /** It dials `unix:PATH`; the others need more than an address for that. */
  readonly dialsUnixSockets: boolean;
  /** Builds what is not built yet; rejects with the output of the build. */
  build(): Promise<Command>;
}

const LANGUAGES: readonly Language[] = [
  { name: 'grpc-go', toolchain: ['go'], dialsUnixSockets: true, build: buildGo },
  { name: 'grpcio', toolchain: ['python3'], dialsUnixSockets: true, build: buildPython },
  { name: 'grpc-js', toolchain: [], dialsUnixSockets: true, build: buildNode },
  { name: 'tonic', toolchain: ['cargo'], dialsUnixSockets: true, build: buildRust },
  { name: 'grpc-java', toolchain: ['javac', 'mvn'], dialsUnixSockets: false, build: buildJava },
];

/** All, or those that PANNIER_TEST_CLIENTS names (with commas between); a name that is none of them is a mistake. */
export function chosenLanguages(names: string | undefined): readonly Language[] {
  if (names === undefined || names.trim() === '') {
    return LANGUAGES;
  }
  return names.split(',').map((name) => {
    const language = LANGUAGES.find((one) => one.name === name.trim());
    if (language === undefined) {
      const known = LANGUAGES.map((one) => one.name).join(', ');
      throw new Error(`cannot run the clients: PANNIER_TEST_CLIENTS is "${names}", wanted some of ${known}`);
    }
    return language;
  });
}

/** How the client of `language` is started, built if need be. */
export async function prepareClient(language: Language): Promise<Command> {
  await requirePrograms(language.name, language.toolchain);
  return await language.build();
}

async function buildGo(): Promise<Command> {
  const program = join(cacheDirectory('grpc-go'), 'client');
  await run('go', ['build', '-o', program, '.'], sourceDirectory('go'));
  return { program, args: [] };
}

async function buildPython(): Promise<Command> {
  const directory = sourceDirectory('python');
  const environment = join(cacheDirectory('grpcio'), 'venv');
  const python = join(environment, 'bin', 'python');
  await once('grpcio', [join(directory, 'requirements.txt')], async () => {
    await run('python3', ['-m', 'venv', '--clear', environment], directory);
    await run(python, ['-m', 'pip', 'install', '--quiet', '-r', 'requirements.txt'], directory);
  });
  return { program: python, args: [join(directory, 'client.py')] };
}

async function buildNode(): Promise<Command> {
  return { program: process.execPath, args: [join(sourceDirectory('grpc-js'), 'client.ts')] };
}

async function buildRust(): Promise<Command> {
  const target = join(cacheDirectory('tonic'), 'target');
  await run('cargo', ['build', '--locked', '--quiet', '--target-dir', target], sourceDirectory('tonic'));
  return { program: join(target, 'debug', 'client'), args: [] };
}

async function buildJava(): Promise<Command> {
  const directory = sourceDirectory('java');
  const output = cacheDirectory('grpc-java');
  const classPathFile = join(output, 'class-path');
  await once('grpc-java', [join(directory, 'pom.xml')], async () => {
    const goal = 'dependency:build-classpath';
    await run('mvn', ['-q', '-B', goal, `-Dmdep.outputFile=${classPathFile}`], directory);
  });
  const classPath = `${join(output, 'classes')}:${readFileSync(classPathFile, 'utf8').trim()}`;
  await run('javac', ['-cp', classPath, '-d', join(output, 'classes'), 'Client.java'], directory);
  return { program: 'java', args: ['-cp', classPath, 'Client'] };
}
