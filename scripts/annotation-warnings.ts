/**
 * Generates charts/pannier/templates/_annotations.tpl from the table of annotations. The ValidatingAdmissionPolicy
 * `pannier-workloads` includes the file to warn about annotations for which the injector would refuse the pod.
 *
 * Invariants:
 *   1. `matchesForm` and `celOf` interpret a form equally: the first in JavaScript, the second in the API server.
 *   2. A warning never shows a value that may contain a password.
 */
import {
  ANNOTATION_PREFIX,
  ANNOTATIONS,
  type AnnotationRow,
  STATUS_ANNOTATIONS,
} from '../src/injection/annotations.ts';
import { parseQuantity } from '../src/injection/quantity.ts';
import { quantityPattern, type ValueForm } from '../src/injection/value-form.ts';

const ROWS: readonly AnnotationRow[] = ANNOTATIONS;
const INTEGER = '^[0-9]{1,15}$';
/** Matches a URL with a login, which a user may have put into the wrong annotation. */
const URL_WITH_LOGIN = '://[^\\s/]*@';
const MAX_SHOWN_CHARACTERS = 80;

/** Returns whether the text has the form. */
export function matchesForm(form: ValueForm, text: string): boolean {
  switch (form.kind) {
    case 'choices':
      return form.choices.includes(text);
    case 'integer':
      return new RegExp(INTEGER).test(text) && Number(text) >= form.min && Number(text) <= form.max;
    case 'quantity':
      return new RegExp(quantityPattern(form.suffixes)).test(text) && isBetween(text, form.min, form.max);
    case 'patterns': {
      const isShort = form.maxLength === undefined || text.length <= form.maxLength;
      return isShort && form.patterns.every((pattern) => new RegExp(pattern).test(text));
    }
  }
}

function isBetween(text: string, min: string, max: string): boolean {
  const [value = Number.NaN, least = 0, most = 0] = [text, min, max].map(parseQuantity);
  return value >= least && value <= most;
}

/** Returns the CEL expression that determines whether the result of the expression `text` has the form. */
export function celOf(form: ValueForm, text: string): string {
  const matches = (pattern: string): string => `${text}.matches(${celText(pattern)})`;
  switch (form.kind) {
    case 'choices':
      return `${text} in [${form.choices.map(celText).join(', ')}]`;
    case 'integer':
      return `${matches(INTEGER)} && int(${text}) >= ${form.min} && int(${text}) <= ${form.max}`;
    case 'quantity': {
      const compared = `quantity(${text}).compareTo`;
      const isWithin = `${compared}(quantity('${form.min}')) >= 0 && ${compared}(quantity('${form.max}')) <= 0`;
      return `${matches(quantityPattern(form.suffixes))} && ${isWithin}`;
    }
    case 'patterns': {
      const length = form.maxLength === undefined ? [] : [`${text}.size() <= ${form.maxLength}`];
      return [...length, ...form.patterns.map(matches)].join(' && ');
    }
  }
}

/** Returns a CEL literal. The escapes of JSON are also escapes of CEL. */
function celText(text: string): string {
  return JSON.stringify(text);
}

interface Validation {
  readonly expression: string;
  readonly messageExpression: string;
}

function validationOf(row: AnnotationRow): Validation {
  const key = ANNOTATION_PREFIX + row.name;
  const value = `variables.annotations['${key}']`;
  const begin = celText(`cannot inject Pannier: annotation ${key} is `);
  const end = celText(`; set it to ${row.kind.accepted}`);
  const hidden = "'invalid (its value may hold a password)'";
  return {
    expression: `variables.isSilent || !('${key}' in variables.annotations) || ${celOf(row.kind.form, value)}`,
    messageExpression: `${begin} + ${row.kind.isSecret === true ? hidden : shownOf(value, hidden)} + ${end}`,
  };
}

/** Returns the expression that shows a value on one line, because the API server ignores a message with a line break. */
function shownOf(value: string, hidden: string): string {
  const isLong = `${value}.size() > ${MAX_SHOWN_CHARACTERS}`;
  const short = `(${isLong} ? ${value}.substring(0, ${MAX_SHOWN_CHARACTERS}) + '...' : ${value})`;
  return `(${value}.matches(${celText(URL_WITH_LOGIN)}) ? ${hidden} : "'" + ${short}.replace('\\n', ' ').replace('\\r', ' ') + "'")`;
}

/** Returns the include file of the chart. Throws if a text would be a template action. */
export function annotationsTemplate(): string {
  const names = ROWS.map((row) => `- ${ANNOTATION_PREFIX}${row.name}`);
  const status = Object.values(STATUS_ANNOTATIONS).map((key) => `- ${key}`);
  const validations = ROWS.map(validationOf).flatMap(({ expression, messageExpression }) => [
    `- expression: >-\n    ${expression}`,
    `  messageExpression: >-\n    ${messageExpression}`,
  ]);
  const definitions = [
    ['pannier.podAnnotations', 'Annotations that a user may set on a pod.', names],
    ['pannier.statusAnnotations', 'Annotations that injection sets on a pod.', status],
    ['pannier.annotationValidations', 'Validations of the values of these annotations.', validations],
  ] as const;
  const generated = '{{/* Generated from src/injection/annotations.ts by `make docs`. Do not edit. */}}';
  const texts = definitions.map(([name, comment, lines]) => {
    const body = lines.join('\n');
    if (body.includes('{{')) {
      throw new Error(`cannot write ${name}: it contains {{, which begins a template action; use another pattern`);
    }
    return `{{/* ${comment} */}}\n{{- define "${name}" -}}\n${body}\n{{- end -}}`;
  });
  return `${[generated, ...texts].join('\n\n')}\n`;
}
