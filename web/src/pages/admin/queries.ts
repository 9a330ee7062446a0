import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, take, type Schemas } from "../../api/client";
import { session } from "../../api/session";

const PAGE = 50;

export const adminKeys = { all: ["admin"], overview: ["admin", "overview"], health: ["admin", "health"], users: ["admin", "users"], jobs: ["admin", "jobs"] };

const following = { initialPageParam: null as string | null, getNextPageParam: (page: { next_cursor?: string | null }) => page.next_cursor };

export const overview = queryOptions({ queryKey: adminKeys.overview, queryFn: () => take(api.GET("/v1/admin/overview")), refetchInterval: 10_000 });

/** How each part is that the service needs; a service that is not ready says so with 503. */
export const health = queryOptions({
  queryKey: adminKeys.health,
  queryFn: async () => {
    const answer = await fetch("/readyz", { headers: { Authorization: `Bearer ${await session.token()}` } });
    return (await answer.json()) as Schemas["Readiness"];
  },
  refetchInterval: 10_000,
});

export const users = infiniteQueryOptions({
  queryKey: adminKeys.users,
  queryFn: ({ pageParam }) => take(api.GET("/v1/users", { params: { query: { limit: PAGE, cursor: pageParam } } })),
  ...following,
});

export type JobState = Schemas["JobView"]["state"];

export const jobsOfAll = (state: JobState | "") =>
  infiniteQueryOptions({
    queryKey: [...adminKeys.jobs, state],
    queryFn: ({ pageParam }) =>
      take(api.GET("/v1/admin/jobs", { params: { query: { limit: PAGE, cursor: pageParam, ...(state ? { state: [state] } : {}) } } })),
    ...following,
    refetchInterval: 10_000,
  });

export const audit = (action: string) =>
  infiniteQueryOptions({
    queryKey: ["admin", "audit", action],
    queryFn: ({ pageParam }) =>
      take(api.GET("/v1/audit", { params: { query: { limit: PAGE, cursor: pageParam, ...(action ? { action } : {}) } } })),
    ...following,
  });
