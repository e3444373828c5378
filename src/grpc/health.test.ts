/**
 * Tests the health service. All services have the same status. Watch sends the status at once and after every change,
 * but never after the call has ended.
 */
import { createHealthService } from './health.ts';
import type { CallContext, ResponseStream } from './method.ts';
import { Status } from './status.ts';

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;
const context = {} as CallContext;

/** Stream whose caller reads only when the test requests a read. */
class FakeWatcher implements CallContext, ResponseStream<{ status?: unknown }> {
  readonly deadlineAtMs = Number.MAX_SAFE_INTEGER;
  readonly sent: unknown[] = [];
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
    this.sent.push(response.status);
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

/** Runs all pending callbacks and promises. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('Check returns NOT_SERVING until setServing(true)', () => {
  const health = createHealthService();
  for (const service of ['', 'pannier.v1.CacheService', 'grpc.health.v1.Health']) {
    expect(health.handlers.Check?.({ service }, context, undefined)).toEqual({ status: NOT_SERVING });
  }
  health.setServing(true);
  expect(health.handlers.Check?.({ service: '' }, context, undefined)).toEqual({ status: SERVING });
});

test('Check of an unknown service ends with NOT_FOUND and does not quote the name', () => {
  const health = createHealthService();
  const check = (): unknown => health.handlers.Check?.({ service: 'some secret' }, context, undefined);
  expect(check).toThrow(expect.objectContaining({ code: Status.NOT_FOUND }));
  expect(check).not.toThrow('some secret');
});

test('Watch sends the status at once and after every change, without repetitions', async () => {
  const health = createHealthService();
  const { watcher, ended } = watch(health, '');
  await settle();
  expect(watcher.sent).toEqual([NOT_SERVING]);
  for (const isServing of [true, true, false, true]) {
    health.setServing(isServing);
    await settle();
  }
  expect(watcher.sent).toEqual([NOT_SERVING, SERVING, NOT_SERVING, SERVING]);
  watcher.leave();
  await ended;
});

test('Watch sends a slow reader only the latest status', async () => {
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
  expect(watcher.sent).toEqual([NOT_SERVING, SERVING]);
  health.setServing(false);
  watcher.isSlow = false;
  watcher.read();
  await settle();
  expect(watcher.sent).toEqual([NOT_SERVING, SERVING, NOT_SERVING]);
  watcher.leave();
  await ended;
});

test('Watch of an unknown service sends SERVICE_UNKNOWN and stays open', async () => {
  const health = createHealthService();
  const { watcher, ended } = watch(health, 'unknown');
  health.setServing(true);
  await settle();
  expect(watcher.sent).toEqual([SERVICE_UNKNOWN]);
  watcher.leave();
  await ended;
});

test('Watch ends when its caller cancels, and sends nothing afterwards', async () => {
  const health = createHealthService();
  const many = Array.from({ length: 100 }, () => watch(health, ''));
  await settle();
  for (const { watcher } of many) {
    watcher.leave();
  }
  await Promise.all(many.map(({ ended }) => ended));
  health.setServing(true);
  await settle();
  expect(many.flatMap(({ watcher }) => watcher.sent)).toEqual(Array(100).fill(NOT_SERVING));
});
