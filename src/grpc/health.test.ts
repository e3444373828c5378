/**
 * Health: one truth for all services, told to watchers at once, at every change, and never after they went.
 */
import { createHealthService } from './health.ts';
import type { CallContext, ResponseStream } from './method.ts';
import { Status } from './status.ts';

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;
const context = {} as CallContext;

/** A stream whose caller reads when the test says so. */
class FakeWatcher implements CallContext, ResponseStream<{ status?: unknown }> {
  readonly deadlineAtMs = Number.MAX_SAFE_INTEGER;
  readonly told: unknown[] = [];
  isSlow = false;
  readonly #listeners: (() => void)[] = [];
  #isOver = false;
  #resume = (): void => {};

  metadata(): undefined {
    return undefined;
  }

  binaryMetadata(): undefined {
    return undefined;
  }

  answerWith(): void {}

  isOver(): boolean {
    return this.#isOver;
  }

  onOver(listener: () => void): void {
    this.#listeners.push(listener);
  }

  send(response: { status?: unknown }): boolean {
    this.told.push(response.status);
    return !this.isSlow;
  }

  writable(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  read(): void {
    this.#resume();
  }

  leave(): void {
    this.#isOver = true;
    for (const listener of this.#listeners) {
      listener();
    }
    this.#resume();
  }
}

function watch(health: ReturnType<typeof createHealthService>, service: string) {
  const watcher = new FakeWatcher();
  const ended = health.handlers.Watch?.({ service }, watcher, watcher) as Promise<void>;
  return { watcher, ended };
}

/** Lets everything that is ready run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('Check answers not serving until somebody says otherwise', () => {
  const health = createHealthService();
  for (const service of ['', 'pannier.v1.CacheService', 'grpc.health.v1.Health']) {
    expect(health.handlers.Check?.({ service }, context, undefined)).toEqual({ status: NOT_SERVING });
  }
  health.setServing(true);
  expect(health.handlers.Check?.({ service: '' }, context, undefined)).toEqual({ status: SERVING });
});

test('Check of an unknown service is NOT_FOUND and does not quote it', () => {
  const health = createHealthService();
  const check = (): unknown => health.handlers.Check?.({ service: 'some secret' }, context, undefined);
  expect(check).toThrow(expect.objectContaining({ code: Status.NOT_FOUND }));
  expect(check).not.toThrow('some secret');
});

test('Watch tells the status at once and at every change, but nothing twice', async () => {
  const health = createHealthService();
  const { watcher, ended } = watch(health, '');
  await settle();
  expect(watcher.told).toEqual([NOT_SERVING]);
  for (const isServing of [true, true, false, true]) {
    health.setServing(isServing);
    await settle();
  }
  expect(watcher.told).toEqual([NOT_SERVING, SERVING, NOT_SERVING, SERVING]);
  watcher.leave();
  await ended;
});

test('Watch tells one that reads slowly the last status only', async () => {
  const health = createHealthService();
  const { watcher, ended } = watch(health, '');
  watcher.isSlow = true;
  await settle();
  health.setServing(true);
  await settle();
  for (let times = 0; times < 100; times += 1) {
    health.setServing(times % 2 === 1);
    await settle();
  }
  expect(watcher.told).toEqual([NOT_SERVING, SERVING]);
  health.setServing(false);
  watcher.isSlow = false;
  watcher.read();
  await settle();
  expect(watcher.told).toEqual([NOT_SERVING, SERVING, NOT_SERVING]);
  watcher.leave();
  await ended;
});

test('Watch of an unknown service says so and stays open', async () => {
  const health = createHealthService();
  const { watcher, ended } = watch(health, 'nobody');
  health.setServing(true);
  await settle();
  expect(watcher.told).toEqual([SERVICE_UNKNOWN]);
  watcher.leave();
  await ended;
});

test('Watch ends when its caller goes, and is told nothing more', async () => {
  const health = createHealthService();
  const many = Array.from({ length: 100 }, () => watch(health, ''));
  await settle();
  for (const { watcher } of many) {
    watcher.leave();
  }
  await Promise.all(many.map(({ ended }) => ended));
  health.setServing(true);
  await settle();
  expect(many.flatMap(({ watcher }) => watcher.told)).toEqual(Array(100).fill(NOT_SERVING));
});
