/**
 * Tests the default size of the memory stores for the heap that the chart configures.
 */
import { defaultStoreBytes, exceedsHeap } from './memory-bounds.ts';

test('leaves five eighths of the heap besides three stores, and limits a store to 64 MiB', () => {
  // The first value is the heap limit with --max-old-space-size=96 --max-semi-space-size=4, as in a container of 192Mi.
  expect(defaultStoreBytes(113_246_208)).toBe(14_155_776);
  expect(defaultStoreBytes(4_307_550_208)).toBe(67_108_864);
});

test('detects a store size that could fill the heap', () => {
  expect(exceedsHeap(14_155_776, 113_246_208)).toBe(false);
  expect(exceedsHeap(33_554_432, 113_246_208)).toBe(true);
});
