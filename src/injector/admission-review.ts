/**
 * Parses AdmissionReview requests (admission.k8s.io/v1) and builds the responses. Performs no I/O.
 *
 * Invariants:
 *   1. For a body that is not a valid AdmissionReview, `parseReview` returns a `problem` instead of a request.
 *   2. A response contains the uid of its request.
 *   3. A denial contains one message, which kubectl shows to its user.
 */
import type { PatchOperation } from '../injection/json-patch.ts';
import { isObject, type JsonObject } from '../lib/json.ts';

export interface AdmissionRequest {
  readonly uid: string;
  /** Namespace of the object; empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly operation: string;
  readonly object: JsonObject;
  /** State of the object before an update. */
  readonly oldObject: JsonObject | undefined;
}

export type ReviewResult = { readonly request: AdmissionRequest } | { readonly problem: string };

export type Verdict =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'patched'; readonly patch: readonly PatchOperation[] }
  | { readonly kind: 'denied'; readonly message: string };

const API_VERSION = 'admission.k8s.io/v1';

export function parseReview(text: string): ReviewResult {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    return { problem: 'cannot read the review: the body is not valid JSON; send an AdmissionReview' };
  }
  if (!isObject(review) || review.kind !== 'AdmissionReview' || review.apiVersion !== API_VERSION) {
    return {
      problem: `cannot read the review: kind or apiVersion does not match; send an AdmissionReview of ${API_VERSION}`,
    };
  }
  const { request } = review;
  if (!isObject(request) || typeof request.uid !== 'string' || request.uid === '') {
    return { problem: 'cannot read the review: request.uid is missing; send it as a non-empty string' };
  }
  if (!isObject(request.object)) {
    return { problem: 'cannot read the review: request.object is missing; send the object to admit' };
  }
  return {
    request: {
      uid: request.uid,
      namespace: textOf(request.namespace),
      name: textOf(request.name),
      operation: textOf(request.operation),
      object: request.object,
      oldObject: isObject(request.oldObject) ? request.oldObject : undefined,
    },
  };
}

export function reviewText(uid: string, verdict: Verdict): string {
  return JSON.stringify({ apiVersion: API_VERSION, kind: 'AdmissionReview', response: responseOf(uid, verdict) });
}

function responseOf(uid: string, verdict: Verdict): JsonObject {
  switch (verdict.kind) {
    case 'unchanged':
      return { uid, allowed: true };
    case 'patched':
      return {
        uid,
        allowed: true,
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(verdict.patch), 'utf8').toString('base64'),
      };
    case 'denied':
      return { uid, allowed: false, status: { code: 403, reason: 'Forbidden', message: verdict.message } };
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
