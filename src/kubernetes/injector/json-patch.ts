/**
 * From a JSON value before and after to a JSON patch (RFC 6902): what the API server applies to the pod of an admission request.
 */

export type PatchOperation =
  | { readonly op: 'add'; readonly path: string; readonly value: unknown }
  | { readonly op: 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };
