/**
 * Parses PromQL with the grammar of the Prometheus web interface, and returns the selected series and the labels by
 * which the query groups them. The grammar has no types, so the caller must check that functions such as `rate` receive
 * a range.
 */
import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
  /** Labels by which the enclosing operators group or match series. */
  readonly groupings: readonly string[];
  /** Enclosing functions and aggregations, innermost first. */
  readonly within: readonly string[];
  readonly isRange: boolean;
}

export interface Promql {
  /** Syntax errors. The list is empty if the text is valid PromQL. */
  readonly problems: readonly string[];
  readonly selectors: readonly Selector[];
}

export function readPromql(text: string): Promql {
  const problems: string[] = [];
  const selectors: Selector[] = [];
  parser.parse(text).iterate({
    enter: ({ type, from, node }) => {
      if (type.isError) {
        problems.push(`cannot read "${text}" as PromQL: syntax error at character ${from}`);
      }
      if (type.name === 'VectorSelector') {
        selectors.push(selectorAt(text, node));
      }
    },
  });
  return { problems, selectors };
}

function selectorAt(text: string, node: SyntaxNode): Selector {
  const textOf = (part: SyntaxNode | null): string => (part === null ? '' : text.slice(part.from, part.to));
  const matchers = descendants(node, 'UnquotedLabelMatcher').map((matcher) => ({
    label: textOf(matcher.getChild('LabelName')),
    operator: textOf(matcher.getChild('MatchOp')),
    value: textOf(matcher.getChild('StringLiteral')).slice(1, -1),
  }));
  const groupings: string[] = [];
  const within: string[] = [];
  for (let parent = node.parent; parent !== null; parent = parent.parent) {
    const clause = parent.getChild('AggregateModifier') ?? parent.getChild('MatchingModifierClause');
    groupings.push(...(clause === null ? [] : descendants(clause, 'LabelName').map(textOf)));
    const name = parent.getChild('FunctionIdentifier') ?? parent.getChild('AggregateOp');
    within.push(...(name === null ? [] : [textOf(name)]));
  }
  return {
    metric: textOf(node.getChild('Identifier')),
    matchers,
    groupings,
    within,
    isRange: node.parent?.name === 'MatrixSelector',
  };
}

function descendants(node: SyntaxNode, name: string): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  node.cursor().iterate((inner) => {
    if (inner.name === name) {
      found.push(inner.node);
    }
  });
  return found;
}
