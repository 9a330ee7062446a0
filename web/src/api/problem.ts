import type { components } from "../generated/schema";

type Problem = components["schemas"]["Problem"];

/** What the service answered instead of a result; `offline` where there was no answer at all. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly action: string,
    readonly fields: { location: string; detail: string }[] = [],
  ) {
    super(detail);
  }
}

export function problemOf(body: unknown, status: number): ApiProblem {
  if (typeof body === "object" && body !== null && "code" in body) {
    const problem = body as Problem;
    return new ApiProblem(status, problem.code, problem.detail, problem.action, problem.errors ?? []);
  }
  return new ApiProblem(status, "no-service", "", "");
}

/** Any error as a problem: a request that was not answered throws a TypeError. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof TypeError) return new ApiProblem(0, "offline", "", "");
  return new ApiProblem(0, "unexpected", error instanceof Error ? error.message : String(error), "");
}
