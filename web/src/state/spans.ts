/** Sets of whole numbers as spans, both ends included, in order and apart from each other. Pure. */

export interface Span {
  readonly first: number;
  readonly last: number;
}

/** The set with `added`; spans that touch become one. */
export function withSpan(spans: readonly Span[], added: Span): readonly Span[] {
  if (added.first > added.last) return spans;
  const apart = (span: Span) => span.last + 1 < added.first || span.first > added.last + 1;
  const touching = spans.filter((span) => !apart(span));
  const joined = {
    first: Math.min(added.first, ...touching.map((span) => span.first)),
    last: Math.max(added.last, ...touching.map((span) => span.last)),
  };
  return [...spans.filter(apart), joined].sort((a, b) => a.first - b.first);
}

/** The set without everything before `first`. */
export function from(spans: readonly Span[], first: number): readonly Span[] {
  return spans.filter((span) => span.last >= first).map((span) => ({ first: Math.max(span.first, first), last: span.last }));
}

/** The set without everything in `gone`. */
export function cut(spans: readonly Span[], gone: Span): readonly Span[] {
  const parts = spans.flatMap(({ first, last }) => [
    { first, last: Math.min(last, gone.first - 1) },
    { first: Math.max(first, gone.last + 1), last },
  ]);
  return parts.filter(({ first, last }) => first <= last);
}

/** What lies between the spans. */
export function holes(spans: readonly Span[]): readonly Span[] {
  return spans.slice(1).map((span, index) => ({ first: (spans[index]?.last ?? 0) + 1, last: span.first - 1 }));
}
