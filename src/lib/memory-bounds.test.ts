/**
 * What three memory stores may hold together, beside the heap that the chart gives to sidecars.
 */
import { defaultStoreBytes, exceedsHeap } from './memory-bounds.ts';

test('three stores leave half of the heap, and none is larger than 64 MiB by default', () => {
  // --max-old-space-size=96 --max-semi-space-size=4, as in a container of 192Mi.
  expect(defaultStoreBytes(113_246_208)).toBe(18_874_368);
  expect(defaultStoreBytes(4_307_550_208)).toBe(67_108_864);
});

test('a setting that could fill the heap is recognized', () => {
  expect(exceedsHeap(18_874_368, 113_246_208)).toBe(false);
  expect(exceedsHeap(33_554_432, 113_246_208)).toBe(true);
});
