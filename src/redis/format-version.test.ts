/**
 * The decision over a version key, for every pair of a stored format and a release around it.
 */
import { judgeFormat, RELEASE_FORMATS } from './format-version.ts';

const RELEASE = { writes: 5, readsUpTo: 6 };

test('this release writes format 1 and reads up to the next one', () => {
  expect(RELEASE_FORMATS).toEqual({ writes: 1, readsUpTo: 2 });
});

test.each([
  ['no key', undefined, 5],
  ['the format of the release before', '4', 5],
  ['its own format', '5', 5],
  ['the format of the next release, which is never lowered', '6', 6],
])('accepts %s', (_, stored, format) => {
  expect(judgeFormat(stored, RELEASE)).toEqual({ verdict: 'accepted', format });
});

test.each([
  ['7', 'the stored data has format 7, this release reads formats 5 to 6; a release was skipped: upgrade this sidecar'],
  ['3', 'this release reads formats 5 to 6; a release was skipped: first run a release that writes format 4 on every'],
  ['0', 'first run a release that writes format 1 on every sidecar'],
  ['99999', 'the stored data has format 99999'],
  ['', 'a format that is not a number'],
  ['5x', 'a format that is not a number'],
  ['-5', 'a format that is not a number'],
  ['5.0', 'a format that is not a number'],
  ['9999999999', 'a format that is not a number'],
])('refuses "%s" and says what to do', (stored, text) => {
  const verdict = judgeFormat(stored, RELEASE);
  expect(verdict.verdict).toBe('refused');
  expect(verdict.verdict === 'refused' && verdict.detail).toContain(text);
});

test('sidecars of two releases in a row accept each other in every order, those of three do not', () => {
  for (let writes = 1; writes < 8; writes += 1) {
    for (let otherWrites = 1; otherWrites < 8; otherWrites += 1) {
      let stored: string | undefined;
      const verdicts: string[] = [];
      // Whoever connects first writes the key; then each connects again.
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
