/**
 * Builds and starts the test client of each language from its folder.
 *
 * 1. The cache directory contains the dependencies and results of a build.
 * 2. Dependencies come from the package registry of the language, in the versions that the folder pins.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, once, requirePrograms, run, sourceDirectory } from './builds.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

export interface Language {
  /** Name of the gRPC implementation in PANNIER_TEST_CLIENTS. */
  readonly name: string;
  /** Programs that must be installed. */
  readonly toolchain: readonly string[];
  /** True if the client accepts `unix:PATH` as its address. */
  readonly dialsUnixSockets: boolean;
  /** Builds the client if it is not up to date. If the build fails, rejects with the output of the build. */
  build(): Promise<Command>;
}

const LANGUAGES: readonly Language[] = [
  { name: 'grpc-go', toolchain: ['go'], dialsUnixSockets: true, build: buildGo },
  { name: 'grpcio', toolchain: ['python3'], dialsUnixSockets: true, build: buildPython },
  { name: 'grpc-js', toolchain: [], dialsUnixSockets: true, build: buildNode },
  { name: 'tonic', toolchain: ['cargo'], dialsUnixSockets: true, build: buildRust },
  { name: 'grpc-java', toolchain: ['javac', 'mvn'], dialsUnixSockets: false, build: buildJava },
];

/**
 * Returns the languages in the comma-separated list `names`, or all languages if the list is undefined or empty. Throws
 * for an unknown name.
 */
export function chosenLanguages(names: string | undefined): readonly Language[] {
  if (names === undefined || names.trim() === '') {
    return LANGUAGES;
  }
  return names.split(',').map((name) => {
    const language = LANGUAGES.find((one) => one.name === name.trim());
    if (language === undefined) {
      const known = LANGUAGES.map((one) => one.name).join(', ');
      throw new Error(`PANNIER_TEST_CLIENTS must be a list of ${known}, got "${names}"`);
    }
    return language;
  });
}

/** Builds the client of `language` if necessary. Returns the command that starts the client. */
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
