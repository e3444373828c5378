/**
 * Values with which tests compare the parser of annotations, the forms of their values, and the warnings of the chart.
 */
import { ANNOTATIONS, type AnnotationRow } from '../../../src/injection/annotations.ts';

/** Texts that several kinds of values accept or nearly accept. */
export const ANNOTATION_VALUES: readonly string[] = [
  ...(ANNOTATIONS as readonly AnnotationRow[]).flatMap((row) => [row.example, ...row.wrong]),
  ...['0', '1', '1023', '1024', '65535', '65536', '600000', '600001', '007', '1e3', '+1', '999999999999999'],
  ...['64', '64.0', '64.000000001', '64000m', '0.001', '0.0009', '1m', '0.5m', '1k', '64Gi', '65Gi', '96Mi', '95.9Mi'],
  ...['1Mi', '1048575', '1048576', '1M', '1G', '2Ti', '1Gi1', '.5', '5.', '1.1234567891'],
  ...[
    'a'.repeat(64),
    'a'.repeat(65),
    'a'.repeat(253),
    'a'.repeat(254),
    `${'a/'.repeat(255)}b:1`,
    `${'a/'.repeat(256)}b:1`,
  ],
  ...[
    'a.b',
    'a..b',
    'a-',
    '-a',
    'a:1',
    'a:65536/b:1',
    'a/b@c',
    `a@sha256:${'0'.repeat(64)}`,
    `a:1@sha256:${'f'.repeat(64)}`,
  ],
  ...[
    'redis://h',
    'rediss://h:1/0',
    'REDIS://h/',
    ' redis://h ,redis://i\n',
    'redis://h,rediss://i',
    'redis://[::1]:6379',
  ],
  ...['redis://u:p@h', 'redis://:p%40@h,redis://i', 'redis+sentinel://a,b:26379/main', 'redis+sentinel://u:p@ a , b/m'],
  ...[
    'rediss+sentinel://[::1]:1/m',
    'redis+sentinel://a,b',
    'redis://h?x',
    'redis://h#x',
    'redis://h/1',
    'redis://h:',
    'redis://',
  ],
  ...[
    '{}',
    '{ }',
    '--- {}',
    '{PANNIER_X: 1}',
    '{"\\u0050ANNIER_KEY_PREFIX": a}',
    'PANNIER_KEY_PREFIX: a',
    '? PANNIER_KEY_PREFIX # a=b\n: c',
  ],
  ...[
    'PANNIER_KEY_PREFIX: "=:"',
    'PANNIER_KEY_PREFIX: ""\nPANNIER_HASH_SUBJECTS: true',
    '# =\nPANNIER_KEY_PREFIX: a',
    'true\n',
    'true ',
  ],
];
