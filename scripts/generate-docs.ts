/**
 * Generates the reference pages from tables in the code and from the protos (`make docs`). Tests fail if a page is not
 * up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { settingsMarkdown } from '../src/config/settings-reference.ts';
import { limitsMarkdown } from '../src/grpc/http2/limits/http2-limits.ts';
import { annotationsSchema, withAnnotationsTable } from '../src/injection/annotations-reference.ts';
import { withKindsTable } from '../src/manifests/template-kinds.ts';
import { metricsMarkdown } from '../src/observability/metric-table.ts';
import { annotationsTemplate } from './annotation-warnings.ts';
import { apiMarkdown } from './api-reference.ts';
import { withPoliciesSchema } from './chart-policies-schema.ts';
import { settingRulesTemplate, withSettingsSchema } from './chart-settings-schema.ts';
import { withValuesTable } from './chart-values-table.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
writeFileSync(join(root, 'docs/reference/settings.md'), settingsMarkdown());
writeFileSync(join(root, 'docs/operations/metrics.md'), metricsMarkdown());
writeFileSync(join(root, 'docs/internals/transport-limits.md'), limitsMarkdown());
const descriptorSet = readFileSync(join(root, 'proto/descriptor-set.binpb'));
writeFileSync(join(root, 'docs/reference/api.md'), apiMarkdown(descriptorSet));
const injectionPage = join(root, 'docs/reference/annotations.md');
writeFileSync(injectionPage, withKindsTable(withAnnotationsTable(readFileSync(injectionPage, 'utf8'))));
writeFileSync(join(root, 'docs/reference/annotations.schema.json'), annotationsSchema());
const chartPage = join(root, 'charts/pannier/README.md');
const chartValues = readFileSync(join(root, 'charts/pannier/values.yaml'), 'utf8');
writeFileSync(chartPage, withValuesTable(readFileSync(chartPage, 'utf8'), chartValues));
const chartSchema = join(root, 'charts/pannier/values.schema.json');
writeFileSync(chartSchema, withPoliciesSchema(withSettingsSchema(readFileSync(chartSchema, 'utf8'))));
writeFileSync(join(root, 'charts/pannier/templates/_settings.tpl'), settingRulesTemplate());
writeFileSync(join(root, 'charts/pannier/templates/_annotations.tpl'), annotationsTemplate());
