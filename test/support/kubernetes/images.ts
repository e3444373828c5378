/**
 * Builds the images that the cluster tests need and loads them into the cluster: the image of Pannier
 * (PANNIER_TEST_IMAGE), the Node example, and Redis.
 *
 * PANNIER_TEST_IMAGE_BUILD contains the command that builds an image (by default `build` of the container engine).
 * PANNIER_TEST_IMAGE_LOAD contains the command that loads an image into the cluster (by default `kind load
 * docker-image`). This module appends further arguments to both commands.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { containerEngine } from '../container-engine.ts';
import { repositoryRoot } from '../repository.ts';

export const IMAGES = {
  repository: 'pannier.test/pannier',
  /** Tag from which a test can upgrade to `nextTag`. Both tags refer to the same image. */
  tag: 'e2e-1',
  nextTag: 'e2e-2',
  example: 'pannier.test/example-node:e2e-1',
  redis: 'redis:7.0',
} as const;

/** Container with Node that runs until it is stopped. */
export const WAITING_CONTAINER = {
  name: 'app',
  image: IMAGES.example,
  command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
};

const TIMEOUT_MS = 600_000;

export const pannierImage = `${IMAGES.repository}:${IMAGES.tag}`;

/** Builds and loads all images, within a minute on a fresh machine, and within a few seconds if nothing has changed. */
export async function prepareImages(): Promise<void> {
  const built = process.env.PANNIER_TEST_IMAGE ?? 'pannier:dev';
  for (const tag of [IMAGES.tag, IMAGES.nextTag]) {
    run(`${containerEngine} tag`, [built, `${IMAGES.repository}:${tag}`]);
  }
  buildImage(IMAGES.example, repositoryRoot, join(repositoryRoot, 'examples', 'node', 'Dockerfile'));
  for (const image of [pannierImage, `${IMAGES.repository}:${IMAGES.nextTag}`, IMAGES.example, IMAGES.redis]) {
    loadImage(image);
  }
}

/** Loads an image from the container engine into the cluster. */
export function loadImage(image: string): void {
  run(process.env.PANNIER_TEST_IMAGE_LOAD ?? 'kind load docker-image', [image]);
}

/** Builds an image. By default, the directory contains the Dockerfile. */
export function buildImage(name: string, directory: string, dockerfile = join(directory, 'Dockerfile')): void {
  const command = process.env.PANNIER_TEST_IMAGE_BUILD ?? `${containerEngine} build`;
  run(command, ['-t', name, '-f', dockerfile, directory]);
}

/** Runs a command with arguments. `command` may itself contain arguments, but these must not contain spaces. */
function run(command: string, args: readonly string[]): void {
  const [program = '', ...first] = command.split(' ').filter((part) => part !== '');
  try {
    execFileSync(program, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
  } catch (error) {
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr).slice(-2_000) : '';
    throw new Error(`cannot prepare the images: ${command} ${args.join(' ')} failed: ${text}`, { cause: error });
  }
}
