/**
 * Writes the reference pages that come from tables in the code (`make docs`). Tests fail while a page differs from its table.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { settingsMarkdown } from '../src/config/settings-reference.ts';
import { limitsMarkdown } from '../src/grpc/http2/limits/http2-limits.ts';
import { annotationsSchema, withAnnotationsTable } from '../src/injection/annotations-reference.ts';
import { metricsMarkdown } from '../src/observability/metric-table.ts';
import { withSettingsSchema } from './chart-settings-schema.ts';
import { withValuesTable } from './chart-values-table.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
writeFileSync(join(root, 'docs/reference/settings.md'), settingsMarkdown());
writeFileSync(join(root, 'docs/operations/metrics.md'), metricsMarkdown());
writeFileSync(join(root, 'docs/internals/transport-limits.md'), limitsMarkdown());
const injectionPage = join(root, 'docs/reference/annotations.md');
writeFileSync(injectionPage, withAnnotationsTable(readFileSync(injectionPage, 'utf8')));
writeFileSync(join(root, 'docs/reference/annotations.schema.json'), annotationsSchema());
const chartPage = join(root, 'charts/pannier/README.md');
const chartValues = readFileSync(join(root, 'charts/pannier/values.yaml'), 'utf8');
writeFileSync(chartPage, withValuesTable(readFileSync(chartPage, 'utf8'), chartValues));
const chartSchema = join(root, 'charts/pannier/values.schema.json');
writeFileSync(chartSchema, withSettingsSchema(readFileSync(chartSchema, 'utf8')));
