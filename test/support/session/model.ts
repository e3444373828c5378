/**
 * Simple model of sessions. The random histories compare each store with this model. The model has no clock, so only
 * calls end the sessions in the model.
 */
import type { UserLimit } from '../../../src/config/policy-file.ts';
import type { SessionCredential } from '../../../src/session/model.ts';

export interface ModelSession {
  readonly selector: string;
  readonly handle: string;
  /** Verifiers of the session; the last one is the current verifier. */
  readonly credentials: SessionCredential[];
  userId: string;
  version: number;
  data: Map<string, Buffer>;
  isLive: boolean;
}

export class SessionModel {
  readonly sessions: ModelSession[] = [];

  create(selector: string, credential: SessionCredential, userId: string): void {
    const { handle } = credential;
    const fresh = { version: 1, data: new Map<string, Buffer>(), isLive: true };
    this.sessions.push({ selector, handle, credentials: [credential], userId, ...fresh });
  }

  pick(at: number): ModelSession | undefined {
    return this.sessions[at % Math.max(1, this.sessions.length)];
  }

  change(session: ModelSession, set: ReadonlyMap<string, Buffer>): void {
    session.data = new Map([...session.data, ...set]);
    session.version += 1;
  }

  rotate(session: ModelSession, credential: SessionCredential, userId: string | undefined): void {
    session.credentials.push(credential);
    session.userId = userId ?? session.userId;
  }

  /** Returns how many sessions of the user a login ends, or undefined if the login is refused. */
  admit(userId: string, limit: UserLimit | undefined): { readonly evicted: number } | undefined {
    if (userId === '' || limit === undefined) {
      return { evicted: 0 };
    }
    const evicted = Math.max(0, this.liveOf(userId).length + 1 - limit.maxSessions);
    return evicted > 0 && limit.atLimit === 'refuse' ? undefined : { evicted };
  }

  list(userId: string): string[] {
    return this.liveOf(userId).map(({ handle }) => handle);
  }

  endUserSessions(userId: string, kept: ModelSession | undefined) {
    if (kept !== undefined && !(kept.isLive && kept.userId === userId)) {
      return { outcome: 'not_found' };
    }
    const ended = this.liveOf(userId).filter((session) => session !== kept);
    for (const session of ended) {
      session.isLive = false;
    }
    return { outcome: 'ended', deleted: ended.length };
  }

  liveOf(userId: string): ModelSession[] {
    return this.sessions.filter((session) => session.isLive && session.userId === userId);
  }
}
