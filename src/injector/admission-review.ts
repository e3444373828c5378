/**
 * AdmissionReview admission.k8s.io/v1, in and out: pure.
 *
 * Promises: what is no review is told apart from a review that is denied; the uid comes back as it was; a denial says why in one text
 * that the person at kubectl reads.
 */
import type { PatchOperation } from '../injection/json-patch.ts';
import { isObject, type JsonObject } from '../lib/json.ts';

export interface AdmissionRequest {
  readonly uid: string;
  /** Empty for objects outside namespaces. */
  readonly namespace: string;
  readonly name: string;
  readonly operation: string;
  readonly object: JsonObject;
  /** Of an update: as it was. */
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
    return { problem: 'cannot read the review: the body is no JSON, wanted an AdmissionReview' };
  }
  if (!isObject(review) || review.kind !== 'AdmissionReview' || review.apiVersion !== API_VERSION) {
    return {
      problem: `cannot read the review: kind or apiVersion is another, wanted AdmissionReview of ${API_VERSION}`,
    };
  }
  const { request } = review;
  if (!isObject(request) || typeof request.uid !== 'string' || request.uid === '') {
    return { problem: 'cannot read the review: request.uid is missing, wanted a text' };
  }
  if (!isObject(request.object)) {
    return { problem: 'cannot read the review: request.object is missing, wanted the object that is admitted' };
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
