/**
 * Tests the decision on a version key whose format is older than, equal to, or newer than the format of the release.
 */
import { judgeFormat, RELEASE_FORMATS } from './format-version.ts';

const RELEASE = { writes: 5, readsUpTo: 6 };

test('writes format 1 and reads up to the next one in this release', () => {
  expect(RELEASE_FORMATS).toEqual({ writes: 1, readsUpTo: 2 });
});

test.each([
  ['no key', undefined, 5],
  ['the format of the previous release', '4', 5],
  ['its own format', '5', 5],
  ['the format of the next release, which is never lowered', '6', 6],
])('accepts %s', (_, stored, format) => {
  expect(judgeFormat(stored, RELEASE)).toEqual({ verdict: 'accepted', format });
});

test.each([
  [
    '7',
    'the stored data has format 7, but this release reads formats 5 to 6; upgrade this sidecar, because a release was skipped',
  ],
  [
    '3',
    'this release reads formats 5 to 6; first run a release that writes format 4 on every sidecar, because a release was',
  ],
  ['0', 'first run a release that writes format 1 on every sidecar'],
  ['99999', 'the stored data has format 99999'],
  ['', 'a format that is not a number'],
  ['5x', 'a format that is not a number'],
  ['-5', 'a format that is not a number'],
  ['5.0', 'a format that is not a number'],
  ['9999999999', 'a format that is not a number'],
])('rejects "%s" and states the remedy', (stored, text) => {
  const verdict = judgeFormat(stored, RELEASE);
  expect(verdict.verdict).toBe('refused');
  expect(verdict.verdict === 'refused' && verdict.detail).toContain(text);
});

test('lets sidecars of two consecutive releases work together in every order, but not of three', () => {
  for (let writes = 1; writes < 8; writes += 1) {
    for (let otherWrites = 1; otherWrites < 8; otherWrites += 1) {
      let stored: string | undefined;
      const verdicts: string[] = [];
      // The first sidecar to connect writes the key. Then each sidecar connects again.
      for (const own of [writes, otherWrites, writes, otherWrites]) {
        const verdict = judgeFormat(stored, { writes: own, readsUpTo: own + 1 });
        verdicts.push(verdict.verdict);
        if (verdict.verdict === 'accepted') {
          expect(verdict.format).toBeGreaterThanOrEqual(Number(stored ?? 0));
          stored = String(verdict.format);
        }
      }
      const areNeighbors = Math.abs(writes - otherWrites) <= 1;
      expect(verdicts.includes('refused')).toBe(!areNeighbors);
      expect(verdicts[0]).toBe('accepted');
    }
  }
});
