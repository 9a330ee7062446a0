import { ApiProblem, problemOf } from "./problem";
import type { components } from "../generated/schema";

type Token = components["schemas"]["SessionToken"];
export type SessionState = "unknown" | "in" | "out";

const PATH = "/v1/auth/session";
const OWN_PAGE = { "X-E2E3D-Page": "1" };
const RENEW_BEFORE_MS = 30_000;

/**
 * Who is signed in. The access token lives in memory only; the refresh token is a cookie that no script can read.
 * Tabs take turns at refreshing, because a cookie that is used twice ends its login.
 */
export class Session {
  #token = "";
  #goodUntil = 0;
  #state: SessionState = "unknown";
  #renewing: Promise<void> | null = null;
  #listeners = new Set<() => void>();
  #tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("e2e3d-session");

  constructor() {
    if (this.#tabs) this.#tabs.onmessage = () => this.#become("out");
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): SessionState => this.#state;

  /** An access token that is good for a while; throws a problem with status 401 when nobody is signed in. */
  async token(): Promise<string> {
    if (Date.now() > this.#goodUntil - RENEW_BEFORE_MS) await this.renew();
    if (this.#state !== "in") throw new ApiProblem(401, "signed-out", "", "");
    return this.#token;
  }

  async renew(): Promise<void> {
    this.#renewing ??= inTurn(() => this.#refresh()).finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.#begin(PATH, { email, password });
  }

  /** Sign in by a link that is good for one use. */
  async signInByLink(token: string): Promise<void> {
    await this.#begin(`${PATH}/link`, { token });
  }

  async #begin(path: string, content: Record<string, string>): Promise<void> {
    const headers = { ...OWN_PAGE, "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(content) });
    if (!answer.ok) throw problemOf(await answer.json().catch(() => null), answer.status);
    this.#take((await answer.json()) as Token);
  }

  async signOut(): Promise<void> {
    await fetch(PATH, { method: "DELETE", headers: OWN_PAGE });
    this.#become("out");
    this.#tabs?.postMessage("out");
  }

  /** The service no longer takes the token: somebody ended the login. */
  expire(): void {
    this.#become("out");
  }

  async #refresh(): Promise<void> {
    const answer = await fetch(`${PATH}/refresh`, { method: "POST", headers: OWN_PAGE });
    if (answer.status === 204) this.#become("out");
    else if (answer.ok) this.#take((await answer.json()) as Token);
    else throw problemOf(await answer.json().catch(() => null), answer.status);
  }

  #take(token: Token): void {
    this.#token = token.access_token;
    this.#goodUntil = Date.now() + token.expires_in * 1000;
    this.#become("in");
  }

  #become(state: SessionState): void {
    if (state === "out") {
      this.#token = "";
      this.#goodUntil = 0;
    }
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

async function inTurn(work: () => Promise<void>): Promise<void> {
  if (!("locks" in navigator)) return work(); // only in secure contexts
  await navigator.locks.request("e2e3d-session", work);
}

export const session = new Session();
